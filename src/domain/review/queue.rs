//! The order of the review queues.
//!
//! *Audit* is a simple random sample without replacement of the selected pairs: every prefix of it
//! is one, so a person may stop anywhere. It is a function of `rng_seed` and round, never of what
//! was decided, or it would not be random any more.
//!
//! *Teach* adds three doubts about a pair's label, each in `[0, 1]`:
//!
//! * uncertainty, `2 (1 - confidence)` (uncertainty sampling, Lewis and Gale 1994);
//! * a pseudo-label that flipped since the round before;
//! * the share of other runs that prefer the other answer (query by committee, Seung et al. 1992);
//!
//! and then spreads the pairs over what they are about, since the most uncertain pairs alone are near
//! copies of each other (batch active learning, as BAL-PM, Melo et al. 2024): each further pair of one
//! prompt or with one of the same answers counts less, and so do lengths that are asked about a lot.
//! Whether a pair was selected makes no difference: a person's label is trained on in any case.
//!
//! The third order is for comparison: a random sample of the pool.

use std::collections::HashMap;

use crate::domain::random::{Place, Purpose};
use crate::domain::selection::LeftOut;
use crate::domain::spec::N_TEACH;

use super::columns::{RoundColumns, side_of};
use super::list::confidence;

/// How many of the most doubtful pairs are read with their texts, so that the queue can be spread
/// over prompts, answers and lengths.
const N_CANDIDATES: usize = 4 * N_TEACH;

/// The audit queue: the rows of the selected pairs in random order.
#[must_use]
pub fn audit(columns: &RoundColumns, rng_seed: u64, round: u32) -> Vec<u32> {
    let place = Place::new(rng_seed, Purpose::Audit).at(round, 0);
    let selected = (0..columns.len()).filter(|row| columns.left_out[*row].is_none());
    shuffled(columns, selected, place)
}

/// A random order of all scored pairs: every prefix of it is a random sample of the pool.
#[must_use]
pub fn pool_sample(columns: &RoundColumns, rng_seed: u64, round: u32) -> Vec<u32> {
    let place = Place::new(rng_seed, Purpose::Oracle).at(round, 0);
    shuffled(columns, 0..columns.len(), place)
}

fn shuffled(columns: &RoundColumns, rows: impl Iterator<Item = usize>, place: Place) -> Vec<u32> {
    let mut keyed: Vec<(u64, u32)> =
        rows.map(|row| (place.bits(u64::from(columns.pairs[row])), row as u32)).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, row)| row).collect()
}

/// The place of a row in the audit queue of the same columns; `None` for a pair left out.
#[must_use]
pub fn audit_rank(
    columns: &RoundColumns,
    queue: &[u32],
    rng_seed: u64,
    round: u32,
    row: u32,
) -> Option<usize> {
    let place = Place::new(rng_seed, Purpose::Audit).at(round, 0);
    let key = |row: &u32| (place.bits(u64::from(columns.pairs[*row as usize])), *row);
    queue.binary_search_by_key(&key(&row), key).ok()
}

/// A candidate of the teach queue, with its worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Doubt {
    pub row: u32,
    /// The sum of the doubts; [`teach`] multiplies it by how new the pair is among those before it.
    pub value: f64,
}

/// The most doubtful of these rows, the most doubtful first. `disagreement` has for each row of the
/// columns the share of other runs that prefer the other answer; see [`disagreement`].
#[must_use]
pub fn teach_candidates(
    columns: &RoundColumns,
    rows: &[u32],
    disagreement: Option<&[f32]>,
) -> Vec<Doubt> {
    let doubt = |row: u32| {
        let index = row as usize;
        let left_out = columns.left_out[index];
        // A pair that an earlier round selected can still get a better label from a person.
        if left_out == Some(LeftOut::Vetoed) {
            return None;
        }
        let uncertainty = 2.0 * (1.0 - confidence(columns, index));
        let flipped = f64::from(u8::from(columns.is_flipped(index)));
        let others = disagreement.map_or(0.0, |shares| f64::from(shares[index]));
        Some(Doubt { row, value: uncertainty + flipped + others })
    };
    let mut doubts: Vec<Doubt> = rows.iter().filter_map(|row| doubt(*row)).collect();
    let by_value = |a: &Doubt, b: &Doubt| b.value.total_cmp(&a.value).then(a.row.cmp(&b.row));
    if doubts.len() > N_CANDIDATES {
        doubts.select_nth_unstable_by(N_CANDIDATES, by_value);
        doubts.truncate(N_CANDIDATES);
    }
    doubts.sort_unstable_by(by_value);
    doubts
}

/// What a pair has in common with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facets {
    /// Its group (the prompt).
    pub group: u64,
    /// Hashes of its answers.
    pub answers: [u64; 2],
    /// Characters of both answers.
    pub n_chars: u64,
}

/// The teach queue: candidates spread over prompts, answers and lengths. `facets` are those of each
/// candidate.
#[must_use]
pub fn teach(candidates: &[Doubt], facets: &[Facets]) -> Vec<u32> {
    let mut seen = Seen::default();
    let spread = candidates
        .iter()
        .zip(facets)
        .map(|(doubt, facets)| Doubt { value: doubt.value * seen.novelty(facets), ..*doubt });
    let mut spread: Vec<Doubt> = spread.collect();
    spread.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.row.cmp(&b.row)));
    spread.truncate(N_TEACH);
    spread.into_iter().map(|doubt| doubt.row).collect()
}

/// How often each facet has come up.
#[derive(Default)]
struct Seen {
    groups: HashMap<u64, u32>,
    answers: HashMap<u64, u32>,
    lengths: HashMap<u32, u32>,
    n: u32,
}

impl Seen {
    /// Returns how new the facets of a pair are, in `(0, 1]` (1 where none of them has come up),
    /// and counts them as seen.
    fn novelty(&mut self, facets: &Facets) -> f64 {
        let count = |n: &mut u32| {
            *n += 1;
            f64::from(*n - 1)
        };
        let n_group = count(self.groups.entry(facets.group).or_default());
        let [n_a, n_b] =
            facets.answers.map(|answer| count(self.answers.entry(answer).or_default()));
        // Lengths that differ by less than a factor of two are alike.
        let n_length = count(self.lengths.entry(facets.n_chars.max(1).ilog2()).or_default());
        let share_of_length = n_length / f64::from(self.n.max(1));
        self.n += 1;
        1.0 / ((1.0 + n_group) * (1.0 + f64::midpoint(n_a, n_b)) * (1.0 + share_of_length))
    }
}

/// By row, the share of other runs that scored the pair and prefer the other answer. Each of
/// `others` gives a margin for a pair in this run's presentation.
#[must_use]
pub fn disagreement<F: Fn(u32) -> Option<f32>>(columns: &RoundColumns, others: &[F]) -> Vec<f32> {
    let share = |row: usize| {
        let mine = side_of(columns.margin(row));
        let opinions = others.iter().filter_map(|other| other(columns.pairs[row]));
        let (n_other, n) = opinions.fold((0, 0), |(n_other, n), margin| {
            (n_other + i32::from(side_of(margin).is_some_and(|side| Some(side) != mine)), n + 1)
        });
        if n == 0 { 0.0 } else { n_other as f32 / n as f32 }
    };
    (0..columns.len()).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::super::columns::tests::columns;
    use super::*;

    #[test]
    fn the_audit_is_a_fair_sample_of_what_was_selected() {
        let margins: Vec<f32> = (0..4000).map(|i| i as f32 / 1000.0).collect();
        let mut now = columns(&margins);
        for row in (0..4000).step_by(2) {
            now.left_out[row] = Some(LeftOut::NotSeparated);
        }
        let queue = audit(&now, 7, 2);
        assert_eq!(queue.len(), 2000);
        assert!(queue.iter().all(|row| row % 2 == 1));
        assert_eq!(queue, audit(&now, 7, 2));
        assert_ne!(queue, audit(&now, 7, 3));
        assert_ne!(queue, audit(&now, 8, 2));
        // Standard error of the mean of 400 out of 2,000 rows: 1155 / 20.
        let mean = queue[..400].iter().map(|row| f64::from(*row)).sum::<f64>() / 400.0;
        assert!((mean - 2000.0).abs() < 4.0 * 58.0, "{mean}");
        for (rank, row) in queue.iter().enumerate().step_by(97) {
            assert_eq!(audit_rank(&now, &queue, 7, 2, *row), Some(rank));
        }
        assert_eq!(audit_rank(&now, &queue, 7, 2, 0), None);
        // The same pairs in another order of arrival make the same queue.
        let by_pair: Vec<u32> = queue.iter().map(|row| now.pairs[*row as usize]).collect();
        assert!(!by_pair.is_sorted());
    }

    #[test]
    fn teach_prefers_doubt_and_spreads_over_prompts() {
        let mut now = columns(&[0.05, 4.0, 4.0, 4.0, 0.04, 0.03]);
        now.margins_before = vec![0.1, -4.0, 4.0, 4.0, 0.1, 0.1];
        now.left_out[5] = Some(LeftOut::Vetoed);
        let all: Vec<u32> = (0..6).collect();
        let others = [|pair: u32| (pair == 2).then_some(-1.0_f32)];
        let shares = disagreement(&now, &others);
        assert_eq!(shares, [0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let candidates = teach_candidates(&now, &all, Some(&shares));
        // Row 5 is out of the question. Flips (1) and disagreements (2) count like no confidence.
        let order: Vec<u32> = candidates.iter().map(|doubt| doubt.row).collect();
        assert_eq!(order, [1, 2, 4, 0, 3]);
        // Rows 1 and 2 answer one prompt: the second of them comes later.
        assert_eq!(teach(&candidates, &facets(&[9, 9, 3, 4, 5])), [1, 4, 0, 2, 3]);
        // Rows 1 and 4 share an answer.
        let mut alike = facets(&[1, 2, 3, 4, 5]);
        alike[2].answers[1] = alike[0].answers[0];
        assert_eq!(teach(&candidates, &alike), [1, 2, 0, 4, 3]);
    }

    /// Pairs of these groups with answers of their own, each twice as long as the one before.
    fn facets(groups: &[u64]) -> Vec<Facets> {
        let facets = |(index, group): (u64, &u64)| Facets {
            group: *group,
            answers: [1000 + 2 * index, 1001 + 2 * index],
            n_chars: 10 << (index % 32),
        };
        (0..).zip(groups).map(facets).collect()
    }

    #[test]
    fn a_length_that_fills_the_queue_counts_less() {
        let candidates: Vec<Doubt> =
            (0..4).map(|row| Doubt { row, value: 1.0 - 0.01 * f64::from(row) }).collect();
        let mut facets = facets(&[1, 2, 3, 4]);
        for alike in &mut facets[..3] {
            alike.n_chars = 1000;
        }
        assert_eq!(teach(&candidates, &facets), [0, 3, 1, 2]);
    }

    #[test]
    fn a_sample_of_the_pool_is_fair_and_another_one_each_round() {
        let now = columns(&vec![1.0; 2000]);
        let sample = pool_sample(&now, 7, 1);
        assert_eq!(sample.len(), 2000);
        let mean = sample[..400].iter().map(|row| f64::from(*row)).sum::<f64>() / 400.0;
        assert!((mean - 1000.0).abs() < 4.0 * 29.0, "{mean}");
        assert_ne!(sample, pool_sample(&now, 7, 2));
        assert_ne!(sample, pool_sample(&now, 8, 1));
        assert_ne!(sample, audit(&now, 7, 1), "two purposes never share a stream");
    }

    #[test]
    fn the_teach_queue_is_short() {
        let margins: Vec<f32> = (0..10_000).map(|i| i as f32 / 1000.0).collect();
        let now = columns(&margins);
        let all: Vec<u32> = (0..10_000).collect();
        let candidates = teach_candidates(&now, &all, None);
        assert_eq!((candidates.len(), candidates[0].row), (N_CANDIDATES, 0));
        let groups: Vec<u64> = (0..N_CANDIDATES as u64).collect();
        assert_eq!(teach(&candidates, &facets(&groups)).len(), N_TEACH);
    }
}
