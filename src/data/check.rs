//! What a data set holds, in one pass and with 8 to 16 bytes of memory a pair.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::error::DataError;
use super::reader::{DropReason, SourceItem, SourcePair, open};
use super::settings::{DatasetFormat, ReadSettings};
use super::source::Source;
use crate::domain::random::text_hash;

/// How many line numbers a report names for one reason.
const N_FIRST_LINES: usize = 5;

/// Records left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DropCount {
    /// Why.
    pub reason: DropReason,
    /// How many.
    pub n: u64,
    /// The first lines, at most five.
    pub first_lines: Vec<u64>,
}

/// Lengths in characters.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct LengthSummary {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median, exact to 6 % (buckets that grow by an eighth of a power of two).
    pub median: u64,
    /// 95th percentile, as exact as the median.
    pub p95: u64,
    /// Longest.
    pub max: u64,
}

/// Statistics of one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckReport {
    /// The source as it was named.
    pub source: String,
    /// The format read.
    pub format: DatasetFormat,
    /// Accepted pairs.
    pub n_pairs: u64,
    /// Records left out, by reason.
    pub dropped: Vec<DropCount>,
    /// Pairs whose prompt is the common prefix of two different dialogues.
    pub n_fallback: u64,
    /// Distinct groups.
    pub n_groups: u64,
    /// Pairs that equal an earlier pair.
    pub n_duplicates: u64,
    /// Pairs whose prompt an earlier pair had.
    pub n_repeated_prompts: u64,
    /// Pairs with recorded label noise.
    pub n_label_noise: u64,
    /// Share of pairs whose chosen answer is longer, in characters; equal lengths count half.
    pub chosen_longer: f64,
    /// Prompt lengths.
    pub prompt_chars: LengthSummary,
    /// Lengths of the chosen answers.
    pub chosen_chars: LengthSummary,
    /// Lengths of the rejected answers.
    pub rejected_chars: LengthSummary,
    /// Pairs by slice; empty when the source names none. At most 1,000 slices are counted.
    pub slices: BTreeMap<String, u64>,
}

/// Reads a source to its end.
pub fn check(source: &Source, settings: &ReadSettings) -> Result<CheckReport, DataError> {
    let reader = open(source, settings)?;
    let format = reader.format();
    let mut tally = Tally::default();
    for item in reader {
        match item? {
            SourceItem::Pair(pair) => tally.add(&pair),
            SourceItem::Dropped { line, reason } => {
                let (n, lines) = tally.dropped.entry(reason).or_default();
                *n += 1;
                if lines.len() < N_FIRST_LINES {
                    lines.push(line);
                }
            }
        }
    }
    Ok(tally.report(source, format))
}

#[derive(Default)]
struct Tally {
    n_pairs: u64,
    n_fallback: u64,
    n_duplicates: u64,
    n_repeated_prompts: u64,
    n_label_noise: u64,
    /// Twice the number of pairs whose chosen answer is longer, plus the equal ones.
    halves_longer: u64,
    dropped: BTreeMap<DropReason, (u64, Vec<u64>)>,
    // Hashes instead of texts: with 64 bits, a million pairs collide with a chance of 3 in 10^8.
    pairs: HashSet<u64>,
    prompts: HashSet<u64>,
    groups: HashSet<u64>,
    lengths: [Lengths; 3],
    slices: BTreeMap<String, u64>,
}

impl Tally {
    fn add(&mut self, SourcePair { fallback, pair, .. }: &SourcePair) {
        self.n_pairs += 1;
        self.n_fallback += u64::from(*fallback);
        self.n_label_noise += u64::from(pair.label_noise);
        let prompt = text_hash(&pair.prompt);
        let whole = prompt
            .wrapping_mul(3)
            .wrapping_add(text_hash(&pair.chosen))
            .wrapping_mul(5)
            .wrapping_add(text_hash(&pair.rejected));
        self.n_duplicates += u64::from(!self.pairs.insert(whole));
        self.n_repeated_prompts += u64::from(!self.prompts.insert(prompt));
        if pair.group != pair.prompt {
            self.groups.insert(text_hash(&pair.group));
        }
        let n_chars =
            [&pair.prompt, &pair.chosen, &pair.rejected].map(|t| t.chars().count() as u64);
        for (lengths, n) in self.lengths.iter_mut().zip(n_chars) {
            lengths.add(n);
        }
        self.halves_longer += match n_chars[1].cmp(&n_chars[2]) {
            std::cmp::Ordering::Greater => 2,
            std::cmp::Ordering::Equal => 1,
            std::cmp::Ordering::Less => 0,
        };
        let known = self.slices.contains_key(&pair.slice);
        if !pair.slice.is_empty() && (known || self.slices.len() < 1000) {
            *self.slices.entry(pair.slice.clone()).or_default() += 1;
        }
    }

    fn report(self, source: &Source, format: DatasetFormat) -> CheckReport {
        let [prompt, chosen, rejected] = self.lengths;
        let groups = if self.groups.is_empty() { self.prompts } else { self.groups };
        CheckReport {
            source: source.to_string(),
            format,
            n_pairs: self.n_pairs,
            dropped: self
                .dropped
                .into_iter()
                .map(|(reason, (n, first_lines))| DropCount { reason, n, first_lines })
                .collect(),
            n_fallback: self.n_fallback,
            n_groups: groups.len() as u64,
            n_duplicates: self.n_duplicates,
            n_repeated_prompts: self.n_repeated_prompts,
            n_label_noise: self.n_label_noise,
            chosen_longer: self.halves_longer as f64 / (2 * self.n_pairs.max(1)) as f64,
            prompt_chars: prompt.summary(),
            chosen_chars: chosen.summary(),
            rejected_chars: rejected.summary(),
            slices: self.slices,
        }
    }
}

/// A histogram with eight buckets for each power of two.
#[derive(Default)]
struct Lengths {
    buckets: HashMap<u64, u64>,
    n: u64,
    sum: u64,
    max: u64,
}

impl Lengths {
    fn add(&mut self, length: u64) {
        let shift = (64 - length.leading_zeros()).saturating_sub(4);
        *self.buckets.entry(length >> shift << shift).or_default() += 1;
        self.n += 1;
        self.sum += length;
        self.max = self.max.max(length);
    }

    fn summary(&self) -> LengthSummary {
        let mut buckets: Vec<(u64, u64)> = self.buckets.iter().map(|(k, v)| (*k, *v)).collect();
        buckets.sort_unstable();
        let quantile = |share: f64| {
            let mut left = (self.n as f64 * share).ceil() as u64;
            for (low, n) in &buckets {
                if left <= *n {
                    // The middle of the bucket; buckets below 16 hold one length each.
                    let width = 1_u64 << (64 - low.leading_zeros()).saturating_sub(4);
                    return (low + width / 2).min(self.max);
                }
                left -= n;
            }
            self.max
        };
        LengthSummary {
            mean: self.sum as f64 / self.n.max(1) as f64,
            median: quantile(0.5),
            p95: quantile(0.95),
            max: self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_counts_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pairs.jsonl");
        let lines = [
            r#"{"prompt":"p","chosen":"long","rejected":"s","topic":"t"}"#,
            r#"{"prompt":"p","chosen":"long","rejected":"s","topic":"t"}"#,
            r#"{"prompt":"p","chosen":"a","rejected":"longer","topic":"u"}"#,
            r#"{"prompt":"q","chosen":"a","rejected":"b","topic":"u"}"#,
            r#"{"prompt":"q","chosen":"a","rejected":"a","topic":"u"}"#,
        ];
        std::fs::write(&path, lines.join("\n")).unwrap();
        let report = check(&Source::File(path), &ReadSettings::default()).unwrap();
        assert_eq!((report.n_pairs, report.n_groups, report.n_duplicates), (4, 2, 1));
        assert_eq!((report.n_repeated_prompts, report.n_fallback), (2, 0));
        // Two longer, one equal, of four.
        assert!((report.chosen_longer - 0.625).abs() < 1e-12);
        let identical = DropReason::IdenticalResponses;
        assert_eq!(report.dropped, [DropCount { reason: identical, n: 1, first_lines: vec![5] }]);
        assert_eq!(report.slices, BTreeMap::from([("t".into(), 2), ("u".into(), 2)]));
        assert_eq!((report.rejected_chars.median, report.rejected_chars.max), (1, 6));
    }

    #[test]
    fn quantiles_are_within_their_buckets() {
        let mut lengths = Lengths::default();
        (0..=10_000).for_each(|n| lengths.add(n));
        let summary = lengths.summary();
        assert!((summary.median as f64 / 5000.0 - 1.0).abs() < 0.07, "{summary:?}");
        assert!((summary.p95 as f64 / 9500.0 - 1.0).abs() < 0.07, "{summary:?}");
        assert_eq!((summary.mean, summary.max), (5000.0, 10_000));
    }
}
