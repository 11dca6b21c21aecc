//! Near-duplicates across splits: prompts of the test part that nearly stand in the training part.
//!
//! A prompt is the set of its runs of three words. Its signature has [`N_BINS`] bins by one
//! permutation (Li, Owen and Zhang 2012), empty bins filled as Shrivastava (2017) does, eight bits
//! of each kept (b-bit minwise hashing, Li and König 2010). Two prompts are compared when all of
//! [`N_ROWS`] bins of one band agree, and are near-duplicates when the estimate of their Jaccard
//! similarity is at least [`MIN_SIMILARITY`]; its standard error there is 0.05. Prompts cost 88 bytes
//! each, and no more than [`MAX_PROMPTS`] are kept.

use std::collections::HashSet;

use serde::Serialize;

use crate::domain::text::near_duplicate::{MIN_SHINGLES, MIN_SIMILARITY, Shingles, shingles};

/// Bins of a signature. More bins estimate the similarity better (the standard error is 0.05 with
/// 64) and take more memory.
const N_BINS: usize = 64;
/// Bins that have to agree before two prompts are compared. With more, fewer near-duplicates are
/// found; with fewer, more pairs are compared in vain.
const N_ROWS: usize = 4;

/// Prompts beyond these are counted and not compared.
pub const MAX_PROMPTS: usize = 1_500_000;

/// Most training prompts of one bucket that a test prompt is compared with. Prompts made from one
/// template fill a bucket.
const MAX_COMPARED: usize = 64;

/// Pairs of prompts a report names.
const N_EXAMPLES: usize = 5;

/// A test prompt and a training prompt that are nearly the same.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NearDuplicate {
    /// Record of the test prompt, from 1.
    pub test_record: u64,
    /// Its file; empty where there is one file.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub test_file: String,
    /// Record of the training prompt, from 1.
    pub train_record: u64,
    /// Its file, likewise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub train_file: String,
    /// Estimated Jaccard similarity of their runs of three words.
    pub similarity: f64,
}

/// The near-duplicates found across the splits.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Leakage {
    /// Distinct prompts of the test part that were compared.
    pub n_test_prompts: u64,
    /// Those with a near-duplicate in the training part.
    pub n_near_duplicates: u64,
    pub examples: Vec<NearDuplicate>,
    /// Prompts that were not compared, for memory.
    pub n_not_compared: u64,
}

struct Prompt {
    group: u64,
    record: u64,
    signature: [u8; N_BINS],
    /// The text has so few runs of words that one more or less is a large part of it.
    is_short: bool,
}

/// Distinct prompts with their signatures.
#[derive(Default)]
pub(super) struct Prompts {
    distinct: Vec<Prompt>,
    seen: HashSet<u64>,
    n_not_compared: u64,
}

impl Prompts {
    /// Takes the prompt of a pair whose group has this hash.
    pub(super) fn add(&mut self, prompt: &str, prompt_hash: u64, group: u64, record: u64) {
        if prompt.is_empty() || !self.seen.insert(prompt_hash) {
            return;
        }
        if self.distinct.len() >= MAX_PROMPTS {
            self.n_not_compared += 1;
        } else {
            let shingles = shingles(prompt);
            let (signature, is_short) = (signature(&shingles), shingles.len() < MIN_SHINGLES);
            self.distinct.push(Prompt { group, record, signature, is_short });
        }
    }

    /// Compares the prompts whose group is in the test part with the others.
    pub(super) fn across(&self, is_test: &dyn Fn(u64) -> bool) -> Leakage {
        let in_test: Vec<bool> = self.distinct.iter().map(|p| is_test(p.group)).collect();
        let mut found: Vec<Option<NearDuplicate>> = vec![None; self.distinct.len()];
        for band in 0..N_BINS / N_ROWS {
            self.compare_band(band, &in_test, &mut found);
        }
        let n_test_prompts = in_test.iter().filter(|test| **test).count() as u64;
        let found: Vec<NearDuplicate> = found.into_iter().flatten().collect();
        Leakage {
            n_test_prompts,
            n_near_duplicates: found.len() as u64,
            examples: found.into_iter().take(N_EXAMPLES).collect(),
            n_not_compared: self.n_not_compared,
        }
    }

    fn compare_band(&self, band: usize, in_test: &[bool], found: &mut [Option<NearDuplicate>]) {
        let rows = band * N_ROWS..(band + 1) * N_ROWS;
        let key = |prompt: &Prompt| {
            prompt.signature[rows.clone()].iter().fold(0_u32, |key, row| key << 8 | u32::from(*row))
        };
        let mut order: Vec<(u32, u32)> =
            (0..).zip(&self.distinct).map(|(i, p)| (key(p), i)).collect();
        order.sort_unstable();
        for bucket in order.chunk_by(|a, b| a.0 == b.0) {
            let of = |test: bool| {
                let indices = bucket.iter().map(|(_, i)| *i as usize);
                indices.filter(move |i| in_test[*i] == test)
            };
            for i in of(true) {
                if found[i].is_some() {
                    continue;
                }
                found[i] = of(false).take(MAX_COMPARED).find_map(|j| self.compare(i, j));
            }
        }
    }

    fn compare(&self, test: usize, train: usize) -> Option<NearDuplicate> {
        let (test, train) = (&self.distinct[test], &self.distinct[train]);
        let similarity = similarity(&test.signature, &train.signature);
        let needed = if test.is_short || train.is_short { 1.0 } else { MIN_SIMILARITY };
        (similarity >= needed).then_some(NearDuplicate {
            test_record: test.record,
            test_file: String::new(),
            train_record: train.record,
            train_file: String::new(),
            similarity,
        })
    }
}

/// The Jaccard similarity that two signatures suggest: the share of equal bins, corrected for bins
/// that are equal by chance.
fn similarity(a: &[u8; N_BINS], b: &[u8; N_BINS]) -> f64 {
    let n_equal = a.iter().zip(b).filter(|(x, y)| x == y).count();
    let chance = 1.0 / 256.0;
    ((n_equal as f64 / N_BINS as f64 - chance) / (1.0 - chance)).max(0.0)
}

fn signature(shingles: &Shingles) -> [u8; N_BINS] {
    let mut bins = [u64::MAX; N_BINS];
    for hash in shingles {
        let bin = &mut bins[(hash >> 58) as usize];
        *bin = (*bin).min(hash & (u64::MAX >> 6));
    }
    let filled = bins;
    let mut out = [0; N_BINS];
    for (i, value) in out.iter_mut().enumerate() {
        // An empty bin takes the value of one that is chosen alike for both texts.
        let mut bin = filled[i];
        let mut state = i as u64 + 1;
        let mut n_tries = 0;
        while bin == u64::MAX && n_tries < 4096 {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            bin = filled[(state >> 58) as usize];
            n_tries += 1;
        }
        // Bins that take their value from the same bin must still agree by chance independently.
        let place = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        *value = ((bin ^ place).wrapping_mul(0xff51_afd7_ed55_8ccd) >> 56) as u8;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::text_hash;

    fn sentence(key: usize, n: usize) -> String {
        (0..n)
            .map(|i| format!("w{}", (key * 7919 + i * 104_729) % 5003))
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn of(text: &str) -> [u8; N_BINS] {
        signature(&shingles(text))
    }

    fn exact(a: &str, b: &str) -> f64 {
        let (a, b) = (shingles(a), shingles(b));
        a.intersection(&b).count() as f64 / a.union(&b).count() as f64
    }

    #[test]
    fn signatures_estimate_the_similarity() {
        let (mut sum, mut n) = (0.0, 0);
        for n_shared in [20, 60, 120, 180, 195, 200] {
            for key in 0..20 {
                let a = sentence(key, 200);
                let b =
                    format!("{} {}", sentence(key, n_shared), sentence(key + 500, 200 - n_shared));
                let error = similarity(&of(&a), &of(&b)) - exact(&a, &b);
                // Five standard errors of 64 bins at the worst similarity.
                assert!(error.abs() < 0.32, "{n_shared} {error}");
                sum += error;
                n += 1;
            }
        }
        assert!((sum / f64::from(n)).abs() < 0.03, "biased by {}", sum / f64::from(n));
    }

    #[test]
    fn near_duplicates_are_found_across_the_split_only() {
        let mut prompts = Prompts::default();
        let mut add = |text: &str, group: u64, record: u64| {
            prompts.add(text, text_hash(text), group, record);
        };
        let long = sentence(1, 60);
        add(&long, 1, 1);
        add(&format!("{long} please"), 2, 2);
        add(&format!("{long} thanks"), 3, 3);
        add(&sentence(2, 60), 4, 4);
        add("short one", 5, 5);
        add("Short, one!", 6, 6);
        add("布洛芬和对乙酰氨基酚的区别是什么呢请说明一下", 7, 7);
        add("布洛芬和对乙酰氨基酚的区别是什么呢请说明一下吧", 8, 8);
        let found = prompts.across(&|group| matches!(group, 2 | 3 | 6 | 8));
        assert_eq!((found.n_test_prompts, found.n_near_duplicates), (4, 4));
        assert_eq!((found.examples[0].test_record, found.examples[0].train_record), (2, 1));
        assert!(found.examples.iter().all(|example| example.similarity >= MIN_SIMILARITY));
        // Nothing of the training part is near the fourth prompt.
        assert_eq!(prompts.across(&|group| group == 4).n_near_duplicates, 0);
    }

    #[test]
    fn short_prompts_are_near_only_when_their_words_agree() {
        let mut prompts = Prompts::default();
        for i in 0..2_000 {
            let text = format!("question {i}");
            prompts.add(&text, text_hash(&text), i, i);
        }
        assert_eq!(prompts.across(&|group| group % 5 == 0).n_near_duplicates, 0);
    }
}
