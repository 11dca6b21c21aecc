//! Pairs are read on a thread of their own, a few batches ahead of the database that takes them.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::data::{DataError, MixtureReader, Part, ReadSettings, SourceItem};

/// Items of one batch, unless their texts are long.
const BATCH_ITEMS: usize = 512;

/// Bytes of text after which a batch is full.
const BATCH_BYTES: usize = 1 << 20;

/// Batches that wait.
const N_BATCHES: usize = 4;

type Batch = Vec<Result<SourceItem, DataError>>;

/// Hands the items of some parts to `consume`; returns what that returns, and how many pairs each
/// part gave. Memory is bounded by a few megabytes of text whatever the data set.
pub fn with<T>(
    parts: Vec<Part>,
    settings: ReadSettings,
    consume: impl FnOnce(&mut dyn Iterator<Item = Result<SourceItem, DataError>>) -> T,
) -> (T, Vec<(String, u64)>) {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(N_BATCHES);
        let reading = scope.spawn(move || read(parts, settings, &sender));
        let mut items = Items { receiver, batch: Vec::new().into_iter() };
        let outcome = consume(&mut items);
        // A consumer that stops early ends the reader with its next batch.
        drop(items);
        (outcome, reading.join().unwrap_or_default())
    })
}

fn read(
    parts: Vec<Part>,
    settings: ReadSettings,
    sender: &SyncSender<Batch>,
) -> Vec<(String, u64)> {
    let mut reader = MixtureReader::new(parts, settings);
    loop {
        let mut batch = Vec::with_capacity(BATCH_ITEMS);
        let mut n_bytes = 0;
        for item in reader.by_ref().take(BATCH_ITEMS) {
            if let Ok(SourceItem::Pair(found)) = &item {
                let pair = &found.pair;
                n_bytes += pair.prompt.len() + pair.chosen.len() + pair.rejected.len();
            }
            batch.push(item);
            if n_bytes > BATCH_BYTES {
                break;
            }
        }
        if batch.is_empty() || sender.send(batch).is_err() {
            return reader.counts().map(|(name, n)| (name.to_owned(), n)).collect();
        }
    }
}

struct Items {
    receiver: Receiver<Batch>,
    batch: std::vec::IntoIter<Result<SourceItem, DataError>>,
}

impl Iterator for Items {
    type Item = Result<SourceItem, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.batch.next() {
                return Some(item);
            }
            self.batch = self.receiver.recv().ok()?.into_iter();
        }
    }
}
