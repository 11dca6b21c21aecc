//! Activations at the lowest trainable block, kept for each pair.
//!
//! Below that block nothing changes during a run, so the frozen trunk computes each pair once; later
//! epochs, rounds and runs on the same model read the result. Values are kept as bf16 in memory up
//! to a budget and in a file up to another; what fits in neither is computed again. The caller rounds
//! through bf16 whether a value comes from here or not, so a result never depends on the cache.
//!
//! The file is a header and records `key, number of values, CRC-32, values`. It is named after the
//! model, only appended to, and locked by the run that has it open: a second run keeps to memory.
//! A record that a dead run left half-written is cut off at the next opening.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use half::bf16;
use sha2::{Digest, Sha256};

use crate::engine::{CacheSettings, EncodedPair};

/// The key of a pair: what a given trunk computes for the pair is a function of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key([u8; 16]);

impl Key {
    /// The key of a pair: the first half of a SHA-256 over everything the trunk reads.
    #[must_use]
    pub fn of(pair: &EncodedPair) -> Self {
        let mut hasher = Sha256::new();
        let [start_a, start_b] = pair.answer_start;
        for n in [pair.tokens_a.len(), pair.tokens_b.len(), pair.n_shared, start_a, start_b] {
            hasher.update((n as u64).to_le_bytes());
        }
        for token in pair.tokens_a.iter().chain(&pair.tokens_b) {
            hasher.update(token.to_le_bytes());
        }
        let digest: [u8; 32] = hasher.finalize().into();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Self(key)
    }
}

/// The activations that leave the frozen blocks, by the tokens of their pair.
#[derive(Debug, Default)]
pub struct TrunkCache {
    memory: HashMap<Key, Vec<bf16>>,
    memory_left: u64,
    disk: Option<Disk>,
}

impl TrunkCache {
    /// Opens the cache of the trunk named `identity` (a digest of its weights and of where it is
    /// cut). If the folder cannot be used, that is logged and only memory is used.
    #[must_use]
    pub fn open(settings: &CacheSettings, identity: &str) -> Self {
        let disk = settings.dir.as_deref().filter(|_| settings.disk_bytes > 0).and_then(|dir| {
            Disk::open(dir, identity, settings.disk_bytes)
                .inspect_err(|error| {
                    tracing::warn!(dir = %dir.display(), %error, "no trunk cache on disk");
                })
                .ok()
        });
        Self { memory: HashMap::new(), memory_left: settings.memory_bytes, disk }
    }

    /// Copies the activations of a pair to `out`; `false` when the cache does not have them with
    /// this length.
    pub fn read(&mut self, key: Key, out: &mut [bf16]) -> bool {
        if let Some(values) = self.memory.get(&key) {
            if values.len() != out.len() {
                return false;
            }
            out.copy_from_slice(values);
            return true;
        }
        let found = self.disk.as_mut().is_some_and(|disk| disk.read(key, out));
        if found {
            self.remember(key, out);
        }
        found
    }

    /// Keeps the activations of a pair, if there is room.
    pub fn write(&mut self, key: Key, values: &[bf16]) {
        self.remember(key, values);
        if let Some(disk) = &mut self.disk
            && let Err(error) = disk.write(key, values)
        {
            tracing::warn!(%error, "the trunk cache is not written any more");
            disk.bytes_left = 0;
        }
    }

    /// Pairs kept in memory and on disk.
    #[cfg(test)]
    #[must_use]
    pub fn n_kept(&self) -> (usize, usize) {
        (self.memory.len(), self.disk.as_ref().map_or(0, |disk| disk.places.len()))
    }

    fn remember(&mut self, key: Key, values: &[bf16]) {
        let n_bytes = 2 * values.len() as u64;
        if n_bytes <= self.memory_left && !self.memory.contains_key(&key) {
            self.memory_left -= n_bytes;
            self.memory.insert(key, values.to_vec());
        }
    }
}

const MAGIC: &[u8; 16] = b"ser trunk cache1";
/// Key, number of values, CRC-32 of the values.
const RECORD_HEAD: u64 = 16 + 4 + 4;

/// Where a record's values lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u64,
    n_values: u32,
    crc: u32,
}

#[derive(Debug)]
struct Disk {
    file: File,
    places: HashMap<Key, Place>,
    end: u64,
    bytes_left: u64,
    buffer: Vec<u8>,
}

impl Disk {
    fn open(dir: &Path, identity: &str, budget: u64) -> std::io::Result<Self> {
        std::fs::create_dir_all(dir)?;
        let path = dir.join(format!("{identity}.trunk"));
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        file.try_lock().map_err(std::io::Error::from)?;
        let others = make_room(dir, &path, budget)?;
        let mut disk =
            Self { file, places: HashMap::new(), end: 0, bytes_left: 0, buffer: Vec::new() };
        disk.index()?;
        disk.bytes_left = budget.saturating_sub(others + disk.end);
        Ok(disk)
    }

    /// Reads the heads of all complete records, and cuts off an incomplete one at the end.
    fn index(&mut self) -> std::io::Result<()> {
        let length = self.file.metadata()?.len();
        let mut magic = [0; 16];
        let is_ours =
            length >= 16 && self.file.read_exact_at(&mut magic, 0).is_ok() && magic == *MAGIC;
        if !is_ours {
            self.file.set_len(0)?;
            self.file.write_all_at(MAGIC, 0)?;
            self.end = 16;
            return Ok(());
        }
        let mut at = 16;
        while at + RECORD_HEAD <= length {
            let mut head = [0; RECORD_HEAD as usize];
            self.file.read_exact_at(&mut head, at)?;
            let mut key = [0; 16];
            key.copy_from_slice(&head[..16]);
            let word =
                |i: usize| u32::from_le_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]);
            let place = Place { start: at + RECORD_HEAD, n_values: word(16), crc: word(20) };
            let end = place.start + 2 * u64::from(place.n_values);
            if end > length {
                break;
            }
            self.places.insert(Key(key), place);
            at = end;
        }
        self.file.set_len(at)?;
        self.end = at;
        Ok(())
    }

    fn read(&mut self, key: Key, out: &mut [bf16]) -> bool {
        let Some(place) = self.places.get(&key).copied() else { return false };
        if place.n_values as usize != out.len() {
            return false;
        }
        self.buffer.resize(2 * out.len(), 0);
        let is_whole = self.file.read_exact_at(&mut self.buffer, place.start).is_ok()
            && crc32fast::hash(&self.buffer) == place.crc;
        if !is_whole {
            tracing::warn!("a damaged record of the trunk cache is computed again");
            self.places.remove(&key);
            return false;
        }
        for (value, bytes) in out.iter_mut().zip(self.buffer.chunks_exact(2)) {
            *value = bf16::from_le_bytes([bytes[0], bytes[1]]);
        }
        true
    }

    fn write(&mut self, key: Key, values: &[bf16]) -> std::io::Result<()> {
        let n_bytes = RECORD_HEAD + 2 * values.len() as u64;
        if n_bytes > self.bytes_left || self.places.contains_key(&key) {
            return Ok(());
        }
        let n_values = u32::try_from(values.len()).map_err(std::io::Error::other)?;
        self.buffer.clear();
        self.buffer.resize(RECORD_HEAD as usize, 0);
        self.buffer.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let (head, payload) = self.buffer.split_at_mut(RECORD_HEAD as usize);
        let crc = crc32fast::hash(payload);
        head[..16].copy_from_slice(&key.0);
        head[16..20].copy_from_slice(&n_values.to_le_bytes());
        head[20..].copy_from_slice(&crc.to_le_bytes());
        if let Err(error) = self.file.write_all_at(&self.buffer, self.end) {
            // A record that could not be written whole is cut off, if the disk allows that.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.places.insert(key, Place { start: self.end + RECORD_HEAD, n_values, crc });
        self.end += n_bytes;
        self.bytes_left -= n_bytes;
        Ok(())
    }
}

/// Deletes the files of other trunks that have gone unused longest until they take at most half the
/// budget; those that a run has locked stay. Returns the bytes of what is left of them.
fn make_room(dir: &Path, own: &Path, budget: u64) -> std::io::Result<u64> {
    let mut others: Vec<(SystemTime, PathBuf, u64)> = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path != own && path.extension().is_some_and(|it| it == "trunk") {
            let metadata = std::fs::metadata(&path)?;
            let used = metadata.accessed().or_else(|_| metadata.modified())?;
            others.push((used, path, metadata.len()));
        }
    }
    others.sort();
    let mut total: u64 = others.iter().map(|(_, _, length)| length).sum();
    for (_, path, length) in others {
        if total <= budget / 2 {
            break;
        }
        let is_free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
        if is_free && std::fs::remove_file(&path).is_ok() {
            total -= length;
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(n: u32) -> EncodedPair {
        EncodedPair {
            tokens_a: vec![n, 2],
            tokens_b: vec![n, 3],
            n_shared: 1,
            ..EncodedPair::default()
        }
    }

    fn values(n: usize, phase: f32) -> Vec<bf16> {
        (0..n).map(|i| bf16::from_f32((i as f32 + phase).sin())).collect()
    }

    fn settings(dir: Option<&Path>, memory_bytes: u64, disk_bytes: u64) -> CacheSettings {
        CacheSettings { dir: dir.map(Path::to_owned), memory_bytes, disk_bytes }
    }

    fn read(cache: &mut TrunkCache, n: u32, len: usize) -> Option<Vec<bf16>> {
        let mut out = vec![bf16::ZERO; len];
        cache.read(Key::of(&pair(n)), &mut out).then_some(out)
    }

    #[test]
    fn keys_tell_pairs_apart() {
        let one = pair(1);
        assert_eq!(Key::of(&one), Key::of(&one.clone()));
        let moved = EncodedPair { tokens_a: vec![1], tokens_b: vec![2, 1, 3], ..one.clone() };
        let unshared = EncodedPair { n_shared: 0, ..one.clone() };
        let typed = EncodedPair { answer_start: [1, 1], ..one.clone() };
        for other in [&pair(2), &moved, &unshared, &typed] {
            assert_ne!(Key::of(&one), Key::of(other));
        }
    }

    #[test]
    fn memory_is_kept_within_its_budget() {
        let mut cache = TrunkCache::open(&settings(None, 50, 0), "a");
        for n in 0..3 {
            cache.write(Key::of(&pair(n)), &values(10, n as f32));
        }
        assert_eq!(cache.n_kept(), (2, 0));
        assert_eq!(read(&mut cache, 1, 10), Some(values(10, 1.0)));
        assert_eq!(read(&mut cache, 2, 10), None);
        assert_eq!(read(&mut cache, 1, 11), None, "another length is another thing");
    }

    #[test]
    fn a_second_run_reads_what_the_first_wrote_and_nothing_torn() {
        let dir = tempfile::tempdir().unwrap();
        let on_disk = settings(Some(dir.path()), 0, 1 << 20);
        let mut first = TrunkCache::open(&on_disk, "a");
        for n in 0..3 {
            first.write(Key::of(&pair(n)), &values(10, n as f32));
        }
        let beside = TrunkCache::open(&on_disk, "a");
        assert!(beside.disk.is_none(), "locked by the first");
        drop(first);
        let path = dir.path().join("a.trunk");
        let length = std::fs::metadata(&path).unwrap().len();
        File::options().write(true).open(&path).unwrap().set_len(length - 3).unwrap();
        let mut second = TrunkCache::open(&settings(Some(dir.path()), 20, 1 << 20), "a");
        assert_eq!(second.n_kept(), (0, 2));
        assert_eq!(read(&mut second, 1, 10), Some(values(10, 1.0)));
        assert_eq!(read(&mut second, 2, 10), None);
        assert_eq!(second.n_kept(), (1, 2), "what was read stays in memory");
        second.write(Key::of(&pair(2)), &values(10, 2.0));
        assert_eq!(read(&mut second, 2, 10), Some(values(10, 2.0)));
    }

    #[test]
    fn damage_is_computed_again() {
        let dir = tempfile::tempdir().unwrap();
        let on_disk = settings(Some(dir.path()), 0, 1 << 20);
        TrunkCache::open(&on_disk, "a").write(Key::of(&pair(1)), &values(10, 1.0));
        let path = dir.path().join("a.trunk");
        File::options().write(true).open(&path).unwrap().write_all_at(&[0xff], 45).unwrap();
        assert_eq!(read(&mut TrunkCache::open(&on_disk, "a"), 1, 10), None);
        std::fs::write(&path, "something else").unwrap();
        let mut cache = TrunkCache::open(&on_disk, "a");
        assert_eq!(cache.n_kept(), (0, 0));
        cache.write(Key::of(&pair(1)), &values(10, 1.0));
        assert_eq!(read(&mut cache, 1, 10), Some(values(10, 1.0)));
    }

    #[test]
    fn the_folder_stays_within_its_budget() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = TrunkCache::open(&settings(Some(dir.path()), 0, 1 << 20), "old");
        old.write(Key::of(&pair(1)), &values(1000, 1.0));
        let small = settings(Some(dir.path()), 0, 3000);
        let mut cache = TrunkCache::open(&small, "new");
        assert!(dir.path().join("old.trunk").exists(), "in use");
        cache.write(Key::of(&pair(1)), &values(1000, 1.0));
        assert_eq!(cache.n_kept(), (0, 0), "no room beside the old one");
        drop((old, cache));
        let mut cache = TrunkCache::open(&small, "new");
        assert!(!dir.path().join("old.trunk").exists());
        cache.write(Key::of(&pair(1)), &values(1000, 1.0));
        assert_eq!(cache.n_kept(), (0, 1));
    }
}
