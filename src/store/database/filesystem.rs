//! What kind of disk the database lies on.
//!
//! `SQLite`'s write-ahead log needs memory shared by all processes, which network file systems do
//! not give: there, two processes would silently damage the file.

use std::path::Path;

/// Magic numbers of `statfs(2)` of file systems without dependable shared memory and locks.
#[cfg(target_os = "linux")]
const NETWORK_MAGIC: [u32; 12] = [
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0xff53_4d42, // CIFS
    0xfe53_4d42, // SMB 2 and 3
    0x6573_5546, // FUSE (sshfs and kin)
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x5346_414f, // AFS (OpenAFS)
    0x6b41_4653, // AFS (kernel)
    0x0102_1997, // 9p
    0x00c3_6400, // Ceph
    0x1983_0326, // BeeGFS
];

/// Whether a folder lies on a network file system. Unknown counts as local.
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_network(folder: &Path) -> bool {
    nix::sys::statfs::statfs(folder).is_ok_and(|found| is_network_type(found.filesystem_type()))
}

/// Whether a folder lies on a network file system. Unknown counts as local.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn is_network(_folder: &Path) -> bool {
    false
}

/// The kernel's type for this number differs between platforms; only the low 32 bits count.
#[cfg(target_os = "linux")]
fn is_network_type(found: nix::sys::statfs::FsType) -> bool {
    NETWORK_MAGIC.contains(&(found.0 as u32))
}

/// Free bytes of the file system of `path`, 0 when unknown.
#[must_use]
pub fn n_bytes_available(path: &Path) -> u64 {
    // The two counts have different widths on different platforms.
    nix::sys::statvfs::statvfs(path.parent().unwrap_or(path))
        .map_or(0, |found| found.blocks_available() as u128 * found.fragment_size() as u128)
        as u64
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn magic_numbers_decide() {
        use nix::sys::statfs;
        assert!(is_network_type(statfs::NFS_SUPER_MAGIC));
        assert!(is_network_type(statfs::FUSE_SUPER_MAGIC));
        assert!(is_network_type(statfs::SMB_SUPER_MAGIC));
        assert!(!is_network_type(statfs::EXT4_SUPER_MAGIC));
        assert!(!is_network_type(statfs::TMPFS_MAGIC));
    }

    #[test]
    fn room_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        assert!(n_bytes_available(&folder.path().join("ser.db")) > 0);
    }
}
