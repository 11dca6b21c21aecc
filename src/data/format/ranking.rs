//! Pairs from several answers to one prompt.

pub(crate) mod reward_bench;
pub(crate) mod rm_bench;

use super::texts::{Found, Said, Texts};
use crate::data::drop_reason::DropReason;
use crate::domain::random::text_hash;
use std::cmp::Ordering;

/// Pushes the pairs of `answers`. `order` compares two of them by index and is `Greater` when the
/// first is better; equal ones are ties. Of more than `cap` pairs (0: no cap) those with the
/// smallest hash of their answers are kept, and the others are counted.
pub(super) fn pair_up(
    prompt: &Said<'_>,
    answers: &[Said<'_>],
    cap: usize,
    order: impl Fn(usize, usize) -> Result<Ordering, DropReason>,
    out: &mut Vec<Found>,
) {
    let mut wins: Vec<(usize, usize)> = Vec::new();
    for i in 0..answers.len() {
        for j in i + 1..answers.len() {
            match order(i, j) {
                Ok(Ordering::Greater) => wins.push((i, j)),
                Ok(Ordering::Less) => wins.push((j, i)),
                Ok(Ordering::Equal) => out.push(Err(DropReason::Tie)),
                Err(reason) => out.push(Err(reason)),
            }
        }
    }
    if wins.is_empty() && answers.len() < 2 {
        out.push(Err(DropReason::OneAnswer));
    }
    push_wins(prompt, answers, wins, cap, out);
}

/// The same for answers with scores, of which some may be missing.
pub(super) fn by_score(
    prompt: &Said<'_>,
    answers: &[Said<'_>],
    scores: &[Option<f64>],
    cap: usize,
    out: &mut Vec<Found>,
) {
    let order = |i: usize, j: usize| match (scores[i], scores[j]) {
        (Some(a), Some(b)) => Ok(a.total_cmp(&b)),
        _ => Err(DropReason::Unrated),
    };
    pair_up(prompt, answers, cap, order, out);
}

/// The same for answers of which the earlier is the better.
pub(super) fn by_rank(prompt: &Said<'_>, answers: &[Said<'_>], cap: usize, out: &mut Vec<Found>) {
    pair_up(prompt, answers, cap, |_, _| Ok(Ordering::Greater), out);
}

/// Every good answer against every bad one.
pub(super) fn good_and_bad(
    prompt: &Said<'_>,
    good: &[Said<'_>],
    bad: &[Said<'_>],
    cap: usize,
    out: &mut Vec<Found>,
) {
    let all: Vec<Said<'_>> = good.iter().chain(bad).cloned().collect();
    let wins: Vec<(usize, usize)> =
        (0..good.len()).flat_map(|i| (good.len()..all.len()).map(move |j| (i, j))).collect();
    if wins.is_empty() {
        out.push(Err(DropReason::OneAnswer));
    }
    push_wins(prompt, &all, wins, cap, out);
}

fn push_wins(
    prompt: &Said<'_>,
    answers: &[Said<'_>],
    mut wins: Vec<(usize, usize)>,
    cap: usize,
    out: &mut Vec<Found>,
) {
    if cap > 0 && wins.len() > cap {
        let hashes: Vec<u64> = answers.iter().map(|answer| text_hash(&answer.key())).collect();
        let key = |&(better, worse): &(usize, usize)| {
            hashes[better].rotate_left(32).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ hashes[worse]
        };
        // A choice by hash is the same whatever else is in the file, and favors no answer for its
        // position.
        let mut by_hash: Vec<(u64, (usize, usize))> = wins.iter().map(|w| (key(w), *w)).collect();
        by_hash.sort_unstable();
        let n_left_out = by_hash.split_off(cap).len();
        wins = by_hash.into_iter().map(|(_, win)| win).collect();
        wins.sort_unstable();
        out.extend((0..n_left_out).map(|_| Err(DropReason::PairCap)));
    }
    for (better, worse) in wins {
        out.push(Texts::replies(prompt, &answers[better], &answers[worse]));
    }
}
