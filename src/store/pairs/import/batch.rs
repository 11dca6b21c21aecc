//! Batches of pairs on their way into the database.
//!
//! A batch is built by the thread that reads pairs, not by the one that writes them. All its texts
//! lie in one buffer, so that handing it over costs nothing for each pair, and what can be computed
//! about a pair is computed there.

use crate::domain::preference::PreferencePair;
use crate::domain::split::group_hash;
use crate::store::pairs::pair_key;

/// Most pairs of one transaction.
pub(in crate::store) const BATCH_PAIRS: usize = 2_000;

/// Bytes of text that make a batch full; the page cache of an import is large enough for one.
const BATCH_BYTES: usize = 4 << 20;

/// One thing read from a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportItem {
    /// An accepted pair and the line (or row) it came from.
    Pair {
        /// Counted from 1.
        line: u64,
        pair: PreferencePair,
    },
    /// A row that was left out.
    Dropped,
}

/// Pairs that are written together.
#[derive(Debug, Default)]
pub struct ImportBatch {
    /// Prompt, chosen, rejected, slice, group name and form of all pairs, one after the other.
    text: String,
    rows: Vec<BatchRow>,
    n_dropped: u64,
}

/// What a batch holds of a pair besides its texts.
#[derive(Debug)]
struct BatchRow {
    line: u64,
    group_hash: u64,
    /// Where each text ends; the first begins where the pair before ends.
    ends: [usize; 6],
    has_group_name: bool,
    label_noise: bool,
    n_chars: [usize; 2],
}

/// A row of `pairs` and of `pair_texts`.
#[derive(Debug, Clone, Copy)]
pub(super) struct PairRow<'a> {
    pub(super) key: i64,
    pub(super) group_hash: i64,
    pub(super) line: i64,
    pub(super) slice: &'a str,
    pub(super) label_noise: bool,
    pub(super) n_chars: [i64; 2],
    pub(super) prompt: &'a str,
    pub(super) chosen: &'a str,
    pub(super) rejected: &'a str,
    /// None where the group is the prompt itself.
    pub(super) group_name: Option<&'a str>,
    /// As `TextForm::to_stored` gives it.
    pub(super) form: Option<&'a str>,
}

impl ImportBatch {
    fn push(&mut self, line: u64, pair: &PreferencePair) {
        let has_group_name = pair.group != pair.prompt;
        let group_name = if has_group_name { pair.group.as_str() } else { "" };
        let form = pair.form.to_stored().unwrap_or_default();
        let texts: [&str; 6] =
            [&pair.prompt, &pair.chosen, &pair.rejected, &pair.slice, group_name, &form];
        let ends = texts.map(|text| {
            self.text.push_str(text);
            self.text.len()
        });
        self.rows.push(BatchRow {
            line,
            group_hash: group_hash(&pair.group),
            ends,
            has_group_name,
            label_noise: pair.label_noise,
            n_chars: [&pair.chosen, &pair.rejected].map(|text| text.chars().count()),
        });
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_PAIRS || self.text.len() >= BATCH_BYTES
    }

    pub(super) fn n_pairs(&self) -> u32 {
        self.rows.len() as u32
    }

    pub(super) fn n_dropped(&self) -> u64 {
        self.n_dropped
    }

    pub(super) fn n_bytes(&self) -> usize {
        self.text.len()
    }

    /// The rows of the pairs, of which the first gets the id `first`.
    pub(super) fn rows(&self, dataset: i64, first: u32) -> impl Iterator<Item = PairRow<'_>> {
        let starts = [0].into_iter().chain(self.rows.iter().map(|row| row.ends[5]));
        (first..).zip(starts).zip(&self.rows).map(move |((id, start), row)| {
            let [prompt, chosen, rejected, slice, group, form] = row.ends;
            let text = |from: usize, to: usize| &self.text[from..to];
            PairRow {
                key: pair_key(dataset, id),
                group_hash: row.group_hash as i64,
                line: row.line as i64,
                slice: text(rejected, slice),
                label_noise: row.label_noise,
                n_chars: row.n_chars.map(|n| n as i64),
                prompt: text(start, prompt),
                chosen: text(prompt, chosen),
                rejected: text(chosen, rejected),
                group_name: row.has_group_name.then(|| text(slice, group)),
                form: (form > group).then(|| text(group, form)),
            }
        })
    }
}

/// Iterator that gathers items into batches, the last of which may be short. An error is returned
/// at once, without the items gathered before it, because nothing of a failed import is kept.
pub struct Batches<I> {
    items: I,
    is_over: bool,
}

impl<I> Batches<I> {
    /// Over the items of a source.
    pub fn new(items: I) -> Self {
        Self { items, is_over: false }
    }
}

impl<I: Iterator<Item = Result<ImportItem, E>>, E> Iterator for Batches<I> {
    type Item = Result<ImportBatch, E>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch = ImportBatch::default();
        while !self.is_over && !batch.is_full() {
            match self.items.next() {
                Some(Ok(ImportItem::Pair { line, pair })) => batch.push(line, &pair),
                Some(Ok(ImportItem::Dropped)) => batch.n_dropped += 1,
                Some(Err(error)) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
                None => self.is_over = true,
            }
        }
        (batch.n_pairs() > 0 || batch.n_dropped > 0).then_some(Ok(batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[test]
    fn a_batch_gives_back_what_was_put_in() {
        let mut pairs = testing::pairs(BATCH_PAIRS + 3);
        pairs[1].group = pairs[1].prompt.clone();
        let items = (5..).zip(pairs.clone()).map(|(line, pair)| ImportItem::Pair { line, pair });
        let items = items.chain([ImportItem::Dropped]).map(Ok::<_, ()>);
        let batches: Vec<ImportBatch> = Batches::new(items).map(Result::unwrap).collect();
        assert_eq!(batches.iter().map(ImportBatch::n_pairs).collect::<Vec<_>>(), [2_000, 3]);
        assert_eq!((batches[0].n_dropped(), batches[1].n_dropped()), (0, 1));
        let rows = batches[0].rows(7, 0).chain(batches[1].rows(7, BATCH_PAIRS as u32));
        for (i, (row, pair)) in rows.zip(&pairs).enumerate() {
            assert_eq!((row.key, row.line), (pair_key(7, i as u32), 5 + i as i64));
            assert_eq!([row.prompt, row.chosen], [&pair.prompt, &pair.chosen]);
            assert_eq!([row.rejected, row.slice], [&pair.rejected, &pair.slice]);
            assert_eq!(row.group_name.unwrap_or(row.prompt), pair.group);
            assert_eq!(row.group_name.is_none(), pair.group == pair.prompt);
            assert_eq!(row.group_hash as u64, group_hash(&pair.group));
            let n_chars = [&pair.chosen, &pair.rejected].map(|text| text.chars().count() as i64);
            assert_eq!((row.n_chars, row.label_noise), (n_chars, pair.label_noise));
        }
    }

    #[test]
    fn an_error_ends_the_batches() {
        let pair = testing::pairs(1).remove(0);
        let items =
            [Ok(ImportItem::Pair { line: 1, pair }), Err("broken"), Ok(ImportItem::Dropped)];
        let mut batches = Batches::new(items.into_iter());
        assert_eq!(batches.next().unwrap().unwrap_err(), "broken");
        assert!(batches.next().is_none());
    }
}
