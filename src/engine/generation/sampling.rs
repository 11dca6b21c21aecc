//! Which token comes next: the filters of transformers, in its order, and one draw.
//!
//! The logits are divided by the temperature; then tokens below the `top_k`-th are left out, then the
//! least likely ones beyond a mass of `top_p`, then those less likely than `min_p` times the likeliest.
//! What is left is drawn from in proportion to its probability. The log-probability of a token is that
//! of the unfiltered distribution at temperature 1.

use crate::engine::EngineError;

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sampling {
    /// The likeliest token each time; of equal ones the first.
    Greedy,
    /// A draw.
    Drawn(Filters),
}

/// What is done to the distribution before a token is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filters {
    /// What the logits are divided by; above 0.
    pub temperature: f64,
    /// Only so many of the likeliest tokens (and those equal to the last of them); 0 keeps all.
    pub top_k: usize,
    /// Only the likeliest tokens, until their mass reaches this; 1 keeps all.
    pub top_p: f64,
    /// Only tokens at least so likely, as a share of the likeliest one's probability; 0 keeps all.
    pub min_p: f64,
}

impl Default for Filters {
    /// The distribution itself.
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0 }
    }
}

impl Sampling {
    /// The distribution itself: temperature 1, no filter.
    #[must_use]
    pub fn plain() -> Self {
        Self::Drawn(Filters::default())
    }

    /// What is wrong with the settings, as the name of one and what it should be; `None` where nothing
    /// is.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, f64, &'static str)> {
        let Self::Drawn(Filters { temperature, top_p, min_p, .. }) = *self else { return None };
        if !(temperature.is_finite() && temperature > 0.0) {
            return Some(("temperature", temperature, "a number above 0"));
        }
        if !(0.0..=1.0).contains(&top_p) {
            return Some(("top_p", top_p, "a share from 0 to 1"));
        }
        (!(0.0..=1.0).contains(&min_p)).then_some(("min_p", min_p, "a share from 0 to 1"))
    }
}

/// A token that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pick {
    pub token: u32,
    /// In nats, at temperature 1, before any filter.
    pub log_probability: f32,
}

/// The loops over a row of logits, for one kind of processor.
#[derive(Debug, Clone, Copy)]
pub struct Loops {
    /// The largest value.
    pub highest: fn(&[f32]) -> f32,
    /// `e^(factor (x - highest))` of each value, and their sum.
    pub exponentials: fn(&[f32], f32, f32, &mut [f32]) -> f32,
    /// Sums of so many neighbors each.
    pub block_sums: fn(&[f32], usize, &mut [f32]),
    /// Largest values of so many neighbors each.
    pub block_maxima: fn(&[f32], usize, &mut [f32]),
}

impl Loops {
    /// Plain loops.
    #[must_use]
    pub fn portable() -> Self {
        Self {
            highest: |row| row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
            exponentials: |row, highest, factor, weights| {
                for (weight, x) in weights.iter_mut().zip(row) {
                    *weight = ((x - highest) * factor).exp();
                }
                weights.iter().sum()
            },
            block_sums: |weights, width, sums| {
                for (sum, block) in sums.iter_mut().zip(weights.chunks(width)) {
                    *sum = block.iter().sum();
                }
            },
            block_maxima: |row, width, maxima| {
                for (highest, block) in maxima.iter_mut().zip(row.chunks(width)) {
                    *highest = block.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                }
            },
        }
    }
}

/// Buffers of one thread, reused from row to row.
#[derive(Debug, Default)]
pub struct Room {
    weights: Vec<f32>,
    blocks: Vec<f32>,
    /// Tokens that are left, with their weights.
    left: Vec<(u32, f32)>,
}

/// Neighboring tokens that are skipped or searched together.
const BLOCK: usize = 128;

/// Chooses a token. `unit` is a uniform number in `[0, 1)`.
///
/// # Errors
/// [`EngineError::NonFinite`] when a logit is not finite.
pub fn pick(
    logits: &[f32],
    sampling: &Sampling,
    unit: f64,
    loops: Loops,
    room: &mut Room,
) -> Result<Pick, EngineError> {
    let highest = (loops.highest)(logits);
    room.weights.resize(logits.len(), 0.0);
    let total = (loops.exponentials)(logits, highest, 1.0, &mut room.weights);
    if !(highest.is_finite() && total.is_finite()) {
        let value = if highest.is_finite() { total } else { highest };
        return Err(EngineError::NonFinite { what: "logit", value });
    }
    let token = match sampling {
        Sampling::Greedy => position(logits, highest),
        Sampling::Drawn(filters) => {
            let total = if filters.temperature == 1.0 {
                total
            } else {
                let factor = (1.0 / filters.temperature) as f32;
                (loops.exponentials)(logits, highest, factor, &mut room.weights)
            };
            draw(logits, filters, f64::from(total), unit, loops, room)
        }
    };
    // As the loss of a training pass has it.
    let log_probability = -(total.ln() + highest - logits[token as usize]);
    Ok(Pick { token, log_probability })
}

/// The first token with this logit.
fn position(logits: &[f32], wanted: f32) -> u32 {
    logits.iter().position(|logit| *logit == wanted).unwrap_or_default() as u32
}

/// Draws by `room.weights`, whose largest is 1 and whose sum is `total`.
fn draw(
    logits: &[f32],
    filters: &Filters,
    total: f64,
    unit: f64,
    loops: Loops,
    room: &mut Room,
) -> u32 {
    let Filters { top_k, top_p, min_p, .. } = *filters;
    let has_top_k = top_k > 0 && top_k < logits.len();
    if !has_top_k && top_p >= 1.0 && min_p <= 0.0 {
        return of_all(unit, loops, room);
    }
    if has_top_k {
        keep_top_k(logits, top_k, loops, room);
    } else if top_p < 1.0 {
        keep_mass(total * top_p, room);
    } else {
        keep_heavy(min_p as f32, room);
    }
    if top_p < 1.0 {
        let total = if has_top_k { sum(&room.left) } else { total };
        cut_mass(total * top_p, &mut room.left);
    }
    if min_p > 0.0 {
        let heaviest = room.left.iter().map(|(_, weight)| *weight).fold(0.0, f32::max);
        room.left.retain(|(_, weight)| *weight >= min_p as f32 * heaviest);
    }
    let mut rest = unit * sum(&room.left);
    for (token, weight) in &room.left {
        rest -= f64::from(*weight);
        if rest < 0.0 {
            return *token;
        }
    }
    // Rounding has left a remainder, which belongs to the last token that can be drawn.
    room.left.iter().rfind(|(_, weight)| *weight > 0.0).map_or(0, |(token, _)| *token)
}

fn sum(left: &[(u32, f32)]) -> f64 {
    left.iter().map(|(_, weight)| f64::from(*weight)).sum()
}

/// Draws from all tokens: finds the block, then the token in it.
fn of_all(unit: f64, loops: Loops, room: &mut Room) -> u32 {
    let Room { weights, blocks, .. } = room;
    blocks.resize(weights.len().div_ceil(BLOCK), 0.0);
    (loops.block_sums)(weights, BLOCK, blocks);
    let mut rest = unit * blocks.iter().map(|sum| f64::from(*sum)).sum::<f64>();
    let mut last = 0;
    for (i, (sum, block)) in blocks.iter().zip(weights.chunks(BLOCK)).enumerate() {
        if rest >= f64::from(*sum) {
            rest -= f64::from(*sum);
            continue;
        }
        // The sum of a block is rounded, so its tokens may fall short of it by a little.
        for (j, weight) in block.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            last = i * BLOCK + j;
            rest -= f64::from(*weight);
            if rest < 0.0 {
                return last as u32;
            }
        }
        return last as u32;
    }
    weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(last) as u32
}

/// Leaves the tokens at least as likely as the `k`-th.
fn keep_top_k(logits: &[f32], k: usize, loops: Loops, room: &mut Room) {
    let Room { weights, blocks, left } = room;
    left.clear();
    blocks.resize(logits.len().div_ceil(BLOCK), 0.0);
    (loops.block_maxima)(logits, BLOCK, blocks);
    // The k-th highest logit is at least the k-th highest of the blocks' highest ones.
    let mut kth = f32::NEG_INFINITY;
    if k <= blocks.len() {
        let mut sorted = blocks.clone();
        let (_, found, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
        kth = *found;
    }
    for (i, block) in logits.chunks(BLOCK).enumerate() {
        if blocks[i] >= kth {
            let tokens = block.iter().enumerate().filter(|(_, logit)| **logit >= kth);
            left.extend(tokens.map(|(j, logit)| ((i * BLOCK + j) as u32, *logit)));
        }
    }
    let mut sorted: Vec<f32> = left.iter().map(|(_, logit)| *logit).collect();
    let at = (k - 1).min(sorted.len().saturating_sub(1));
    let (_, kth, _) = sorted.select_nth_unstable_by(at, |a, b| b.total_cmp(a));
    let kth = *kth;
    left.retain(|(_, logit)| *logit >= kth);
    for (token, value) in left {
        *value = weights[*token as usize];
    }
}

/// Leaves the heaviest tokens, at least as many as have this mass together.
fn keep_mass(mass: f64, room: &mut Room) {
    // A few passes over all weights instead of sorting them.
    for lowest in [1e-2, 1e-3, 1e-5, 0.0] {
        keep_heavy(lowest, room);
        if sum(&room.left) > mass * (1.0 + 1e-9) {
            return;
        }
    }
}

fn keep_heavy(lowest: f32, room: &mut Room) {
    let Room { weights, left, .. } = room;
    left.clear();
    let heavy = weights.iter().enumerate().filter(|(_, weight)| **weight >= lowest);
    left.extend(heavy.map(|(token, weight)| (token as u32, *weight)));
}

/// Orders the tokens by weight, of equal ones the first token first, and leaves the first ones until
/// their mass reaches `mass`; at least one.
fn cut_mass(mass: f64, left: &mut Vec<(u32, f32)>) {
    left.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut before = 0.0;
    let n = left.iter().take_while(|(_, weight)| {
        let is_kept = before < mass;
        before += f64::from(*weight);
        is_kept
    });
    let n = n.count().max(1);
    left.truncate(n);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        settings: BTreeMap<String, f64>,
        logits: Vec<f32>,
        kept: BTreeMap<u32, f64>,
    }

    #[derive(Deserialize)]
    struct Fixture {
        filters: Vec<Case>,
    }

    /// How often each token is drawn by evenly spaced numbers.
    fn frequencies(logits: &[f32], sampling: &Sampling, n: u32) -> BTreeMap<u32, f64> {
        let (mut room, mut found) = (Room::default(), BTreeMap::new());
        for i in 0..n {
            let unit = (f64::from(i) + 0.5) / f64::from(n);
            let picked = pick(logits, sampling, unit, Loops::portable(), &mut room).unwrap();
            *found.entry(picked.token).or_default() += 1.0 / f64::from(n);
        }
        found
    }

    #[test]
    fn filters_leave_what_those_of_transformers_leave() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/engine/generation.json");
        let text = std::fs::read_to_string(path).unwrap();
        let fixture: Fixture = serde_json::from_str(&text).unwrap();
        for Case { settings, logits, kept } in fixture.filters {
            let get = |key: &str, default| settings.get(key).copied().unwrap_or(default);
            let filters = Filters {
                temperature: get("temperature", 1.0),
                top_k: get("top_k", 0.0) as usize,
                top_p: get("top_p", 1.0),
                min_p: get("min_p", 0.0),
            };
            let n = 40_000;
            let found = frequencies(&logits, &Sampling::Drawn(filters), n);
            assert!(found.keys().all(|token| kept.contains_key(token)), "{settings:?}");
            for (token, expected) in kept {
                let found = found.get(&token).copied().unwrap_or_default();
                let error = (found - expected).abs();
                assert!(error < 2.0 / f64::from(n), "{settings:?} {token}: {found} {expected}");
            }
        }
    }

    #[test]
    fn a_draw_is_the_same_by_blocks_and_one_by_one_and_logits_are_finite() {
        let logits: Vec<f32> =
            (0..1000).map(|i| ((i * 37 % 101) as f32 * 0.1).sin() * 6.0).collect();
        let (mut room, all) = (Room::default(), Sampling::plain());
        // A filter that leaves every token takes the other way.
        let kept = Sampling::Drawn(Filters { min_p: 1e-30, ..Filters::default() });
        for i in 0..2000 {
            let unit = (f64::from(i) + 0.37) / 2000.0;
            let [a, b] = [&all, &kept].map(|sampling| {
                pick(&logits, sampling, unit, Loops::portable(), &mut room).unwrap()
            });
            assert_eq!(a, b);
        }
        let best = pick(&logits, &Sampling::Greedy, 0.0, Loops::portable(), &mut room).unwrap();
        assert!(logits.iter().all(|logit| *logit <= logits[best.token as usize]));
        for bad in [f32::NAN, f32::INFINITY] {
            let mut logits = logits.clone();
            logits[7] = bad;
            let error = pick(&logits, &all, 0.5, Loops::portable(), &mut room).unwrap_err();
            assert!(matches!(error, EngineError::NonFinite { what: "logit", .. }));
        }
    }
}
