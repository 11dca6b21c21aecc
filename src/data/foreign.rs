//! Files of kinds that are not read, known by their first bytes.

use super::error::Foreign;

/// First bytes, and what begins like that.
const MAGIC: [(&[u8], Foreign); 20] = [
    (b"PK\x03\x04", Foreign::Zip),
    (b"PK\x05\x06", Foreign::Zip),
    (b"\xfd7zXZ\x00", Foreign::Xz),
    (b"BZh", Foreign::Bzip2),
    (b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip),
    (b"\x04\x22\x4d\x18", Foreign::Lz4),
    (b"ARROW1", Foreign::Arrow),
    (b"\xff\xff\xff\xff", Foreign::ArrowStream),
    (b"FEA1", Foreign::Arrow),
    // A plain one is read; this one came out of gzip or zstd.
    (b"PAR1", Foreign::PackedParquet),
    (b"PARE", Foreign::EncryptedParquet),
    (b"SQLite format 3\0", Foreign::Sqlite),
    (b"\x93NUMPY", Foreign::Numpy),
    (b"\x89HDF", Foreign::Hdf5),
    (b"Obj\x01", Foreign::Avro),
    (b"ORC", Foreign::Orc),
    (b"%PDF", Foreign::Pdf),
    (b"\xd0\xcf\x11\xe0", Foreign::Excel),
    (b"version https://git-lfs", Foreign::LfsPointer),
    (b"version https://hawser", Foreign::LfsPointer),
];

/// The kind of a file that is not read. `head` are its first bytes, decompressed, and `extension` its
/// ending in small letters.
pub(super) fn kind(head: &[u8], extension: &str) -> Option<Foreign> {
    const TAR_MAGIC_AT: usize = 257;
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(match (kind, extension) {
            (Foreign::Zip, "xlsx" | "xlsm") => Foreign::Excel,
            (Foreign::Zip, "pt" | "pth" | "bin") => Foreign::Torch,
            (Foreign::Zip, "npz") => Foreign::Numpy,
            // Three letters alone may begin a text.
            (Foreign::Orc | Foreign::Bzip2, _) if head.is_ascii() => return None,
            (kind, _) => *kind,
        });
    }
    if head.get(TAR_MAGIC_AT..).is_some_and(|tail| tail.starts_with(b"ustar")) {
        return Some(Foreign::Tar);
    }
    if is_utf16(head) {
        return Some(Foreign::Utf16);
    }
    // A pickle begins with the number of its protocol.
    if matches!(head, [0x80, 2..=5, ..]) {
        return Some(Foreign::Pickle);
    }
    let start = head.trim_ascii_start();
    let begins = |word: &str| {
        start.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    if ["<!doctype", "<html", "<head", "<?xml"].into_iter().any(begins) {
        return Some(Foreign::Markup);
    }
    let is_reply = [
        "Entry not found",
        "404: Not Found",
        "Invalid username or password",
        "Access denied",
        "Repository not found",
    ];
    is_reply.into_iter().any(begins).then_some(Foreign::Reply)
}

/// A mark of UTF-16 or UTF-32, or every other byte of the start zero.
fn is_utf16(head: &[u8]) -> bool {
    let is_zero = |at: usize| head.get(at) == Some(&0);
    head.starts_with(&[0xff, 0xfe])
        || head.starts_with(&[0xfe, 0xff])
        || head.starts_with(&[0, 0, 0xfe, 0xff])
        || is_zero(1) && is_zero(3) && !is_zero(0)
        || is_zero(0) && is_zero(2) && !is_zero(1)
}
