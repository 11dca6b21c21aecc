//! Texts that are nearly the same: two texts are as similar as the sets of their runs of three words
//! (w-shingling, Broder 1997), by Jaccard's coefficient.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use crate::domain::random::bytes_hash;

/// Hashes of runs of three words.
pub type Shingles = HashSet<u64, BuildHasherDefault<IsHash>>;

/// The hasher of what is a hash already.
#[derive(Debug, Clone, Default)]
pub struct IsHash(u64);

impl Hasher for IsHash {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes_hash(bytes.iter().copied());
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// The Jaccard similarity from which on two texts count as near-duplicates.
pub const MIN_SIMILARITY: f64 = 0.8;

/// A text with fewer runs of three words than this is a near-duplicate only of a text with the same
/// runs, since one run more or less is a large part of it.
pub const MIN_SHINGLES: usize = 8;

/// Words of a run (the shingle length `w` of Broder 1997).
const N_WORDS: usize = 3;

/// Hashes of every run of three words; a shorter text is one run.
#[must_use]
pub fn shingles(text: &str) -> Shingles {
    let mut found = Shingles::default();
    each_shingle(text, |shingle| {
        found.insert(shingle);
        true
    });
    found
}

/// A text that others are compared with, one after the other.
#[derive(Debug, Clone)]
pub struct NearText {
    shingles: Shingles,
    /// Those of the text compared last: in this one too, and not.
    shared: Shingles,
    other: Shingles,
}

impl NearText {
    /// Prepares a text to be compared with many.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (shared, other) = Default::default();
        Self { shingles: shingles(text), shared, other }
    }

    /// Whether a text is a near-duplicate. The comparison ends as soon as it cannot be one any
    /// more, mostly after a few words.
    pub fn is_near(&mut self, text: &str) -> bool {
        self.shared.clear();
        self.other.clear();
        let n = self.shingles.len();
        let needed = |is_short: bool| if is_short { 1.0 } else { MIN_SIMILARITY };
        // |A ∩ B| is at most |A|, and |A ∪ B| is |A| and what only the other text has.
        let n_other_max = n as f64 * (1.0 / needed(n < MIN_SHINGLES) - 1.0);
        let (known, shared, other) = (&self.shingles, &mut self.shared, &mut self.other);
        let is_whole = each_shingle(text, |shingle| {
            if known.contains(&shingle) {
                shared.insert(shingle);
            } else {
                other.insert(shingle);
            }
            other.len() as f64 <= n_other_max
        });
        let is_short = n < MIN_SHINGLES || self.shared.len() + self.other.len() < MIN_SHINGLES;
        let similarity = self.shared.len() as f64 / (n + self.other.len()) as f64;
        is_whole && similarity >= needed(is_short)
    }
}

/// Both answers to a prompt, and the prompt: a pair that others are compared with.
#[derive(Debug, Clone)]
pub struct NearPair {
    prompt: NearText,
    answers: [NearText; 2],
}

impl NearPair {
    /// Prepares a pair to be compared with many.
    #[must_use]
    pub fn new(prompt: &str, answers: [&str; 2]) -> Self {
        Self { prompt: NearText::new(prompt), answers: answers.map(NearText::new) }
    }

    /// Whether the prompt is a near-duplicate.
    pub fn is_near_prompt(&mut self, prompt: &str) -> bool {
        self.prompt.is_near(prompt)
    }

    /// Whether the answers are, in whichever order they stand.
    pub fn are_near_answers(&mut self, [a, b]: [&str; 2]) -> bool {
        let [first, second] = &mut self.answers;
        first.is_near(a) && second.is_near(b) || first.is_near(b) && second.is_near(a)
    }
}

/// Calls `take` with the hash of every run of three words until it returns `false`; returns whether
/// it was called with all.
fn each_shingle(text: &str, mut take: impl FnMut(u64) -> bool) -> bool {
    let run = |words: &[u64]| {
        let hash = words.iter().fold(0x9e37_79b9_7f4a_7c15_u64, |hash, word| {
            (hash.rotate_left(23) ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd)
        });
        (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
    };
    let mut last = [0; N_WORDS];
    let mut n_words = 0;
    let is_whole = each_word(text, |word| {
        last.rotate_left(1);
        last[N_WORDS - 1] = word;
        n_words += 1;
        n_words < N_WORDS || take(run(&last))
    });
    if n_words < N_WORDS {
        return take(run(&last[N_WORDS - n_words..]));
    }
    is_whole
}

/// Calls `take` with every word in lower case, without the speakers of a dialogue, until it returns
/// `false`. In a script without spaces every character is a word.
fn each_word(text: &str, mut take: impl FnMut(u64) -> bool) -> bool {
    let is_speaker = |part: &[u8]| part == b"Human" || part == b"Assistant";
    let ascii = |part: &[u8]| bytes_hash(part.iter().map(u8::to_ascii_lowercase));
    if text.is_ascii() {
        // Most texts are: bytes need no decoding.
        let parts = text.as_bytes().split(|byte| !byte.is_ascii_alphanumeric());
        let mut words = parts.filter(|part| !part.is_empty() && !is_speaker(part));
        return words.all(|part| take(ascii(part)));
    }
    for part in text.split(|c: char| !c.is_alphanumeric()) {
        if part.is_empty() || is_speaker(part.as_bytes()) {
            continue;
        }
        let goes_on = if part.is_ascii() {
            take(ascii(part.as_bytes()))
        } else if part.chars().any(|c| c >= '\u{2e80}') {
            part.chars().map(u64::from).all(&mut take)
        } else {
            take(bytes_hash(part.to_lowercase().bytes()))
        };
        if !goes_on {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(key: usize, n: usize) -> String {
        let word = |i: usize| format!("w{}", (key * 7919 + i * 104_729) % 5003);
        (0..n).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn near_is_what_the_sets_of_runs_say() {
        for (n, n_changed) in [(60, 0), (60, 1), (60, 3), (60, 6), (60, 12), (7, 0), (7, 1)] {
            for key in 0..20 {
                let text = sentence(key, n);
                let other =
                    format!("{} {}", sentence(key, n - n_changed), sentence(key + 500, n_changed));
                let (a, b) = (shingles(&text), shingles(&other));
                let similarity = a.intersection(&b).count() as f64 / a.union(&b).count() as f64;
                let needed = if a.len().min(b.len()) < MIN_SHINGLES { 1.0 } else { MIN_SIMILARITY };
                let found = NearText::new(&text).is_near(&other);
                assert_eq!(found, similarity >= needed, "{n} {n_changed} {similarity}");
            }
        }
    }

    #[test]
    fn case_signs_and_speakers_do_not_matter() {
        let mut text = NearText::new("Human: Short, one!");
        assert!(text.is_near("short ONE"));
        assert!(!text.is_near("short two") && !text.is_near("") && !text.is_near("short one more"));
        assert!(NearText::new("").is_near(" … "));
        let mut text = NearText::new("布洛芬和对乙酰氨基酚的区别是什么呢请说明一下");
        assert!(text.is_near("布洛芬和对乙酰氨基酚的区别是什么呢请说明一下吧"));
        assert!(NearText::new("ÄRGER über Öl").is_near("ärger, ÜBER öl"));
    }

    #[test]
    fn answers_may_have_changed_places() {
        let mut pair = NearPair::new("is it?", ["yes it is", "no"]);
        assert!(pair.is_near_prompt("Is it"));
        assert!(pair.are_near_answers(["No!", "yes, it is"]));
        assert!(!pair.are_near_answers(["yes it is", "yes it is"]));
    }
}
