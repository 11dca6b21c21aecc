//! Reasons not to begin self-training, or to end it, told with their numbers.
//!
//! The tests are those of [`super::guard`]; here they meet the levels of the spec.

use std::collections::BTreeMap;

use super::guard::{chance_p_value, drop_p_value, one_sided_share};
use crate::domain::preference::PairFacts;
use crate::domain::run::StopReason;
use crate::domain::selection::ScoredPair;
use crate::domain::selection::risk::Certificate;
use crate::domain::spec::{DropAction, ExperimentSpec, PoolLabels, RoundsSpec};

/// A reason to end the loop, with the sentence that tells a person why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    pub reason: StopReason,
    /// The numbers behind it, with a hint where something can be done.
    pub message: String,
}

/// Whether so many of so many pairs are ranked right by more than chance.
#[must_use]
pub fn beats_chance((n_right, n): (u64, u64), level: f64) -> bool {
    chance_p_value(n_right, n) < level
}

/// Halts before the pool is labeled when the seed model is not better than chance. `judged` counts
/// the seed pairs that fold models ranked right, and all of them; `validation` has the seed model's
/// margins on the validation pairs, positive where it agrees with the label. A `level` of 0 skips
/// the test.
#[must_use]
pub fn seed_at_chance(judged: (u64, u64), validation: &[f32], level: f64) -> Option<Halt> {
    let n_right = judged.0 + validation.iter().filter(|margin| **margin > 0.0).count() as u64;
    let n = judged.1 + validation.len() as u64;
    let p = chance_p_value(n_right, n);
    if level <= 0.0 || p < level {
        return None;
    }
    let message = format!(
        "the seed model ranks {n_right} of {n} held-out human pairs right ({:.1} %), which chance \
         does with probability {p:.2}: it will not label the pool; hint: give it more labels \
         (`data.seed_labels`), longer training (`train.epochs`) or a better backbone, or set \
         `rounds.chance_level = 0`",
        100.0 * n_right as f64 / n.max(1) as f64,
    );
    Some(Halt { reason: StopReason::SeedNotBetterThanChance, message })
}

/// Halts after a round, once its validation pairs are evaluated. `margins` has those of the present
/// round and of the one before, where that is known; `groups` are the groups of the pairs.
#[must_use]
pub fn after_validation(
    round: u32,
    margins: &BTreeMap<u32, Vec<f32>>,
    groups: &[u64],
    spec: &ExperimentSpec,
) -> Option<Halt> {
    if spec.rounds.pool_labels == PoolLabels::Human || spec.rounds.max == 0 {
        return None;
    }
    let after = margins.get(&round)?;
    match round.checked_sub(1) {
        // The fold models will allow a stronger test than the validation pairs.
        None if spec.selection.cross_fits() => None,
        None => seed_at_chance((0, 0), after, spec.rounds.chance_level),
        Some(before) => {
            validation_dropped(round, [margins.get(&before)?, after], groups, &spec.rounds)
        }
    }
}

/// Halts where a round ranks the validation pairs significantly worse than the round before.
fn validation_dropped(
    round: u32,
    margins: [&[f32]; 2],
    groups: &[u64],
    rounds: &RoundsSpec,
) -> Option<Halt> {
    let what_follows = match rounds.on_drop {
        DropAction::Ignore => return None,
        DropAction::Rollback => "the run goes back to the round before",
        DropAction::Stop => "the loop ends",
    };
    let [before, after] =
        margins.map(|margins| margins.iter().map(|it| f64::from(*it)).collect::<Vec<f64>>());
    let p = drop_p_value(&before, &after, groups);
    if p >= rounds.drop_level {
        return None;
    }
    let n_right = |margins: &[f64]| margins.iter().filter(|margin| **margin > 0.0).count();
    let message = format!(
        "round {round} ranks {} of {} validation pairs right, the round before {} (p = {p:.3}): \
         {what_follows}",
        n_right(&after),
        after.len(),
        n_right(&before),
    );
    Some(Halt { reason: StopReason::ValidationDropped, message })
}

/// Halts where a certificate was asked for and no share of the pool could be certified.
#[must_use]
pub fn uncertified(certificate: Option<Certificate>) -> Option<Halt> {
    let best = certificate.filter(|certificate| !certificate.is_certified)?;
    let message = format!(
        "no share of the pool can be shown to have at most {:.0} % wrong labels with {:.0} % \
         certainty: the best is the most confident {:.1} %, where {} of {} held-out human pairs \
         are wrong and the bound is {:.1} %; the loop ends",
        100.0 * best.max_error,
        100.0 * best.certainty,
        100.0 * best.coverage,
        best.n_errors,
        best.n,
        100.0 * best.bound,
    );
    Some(Halt { reason: StopReason::Uncertified, message })
}

/// Halts where nearly all of the selected labels prefer the longer answer, or the shorter one: more
/// than the share `limit`. `facts` are those of the scored pairs, in their order. `longer_strata` is the
/// setting of that name, which is a remedy where it is off.
#[must_use]
pub fn one_sided(
    pairs: &[ScoredPair],
    facts: &[PairFacts],
    limit: f64,
    longer_strata: bool,
) -> Option<Halt> {
    let selected = pairs.iter().zip(facts).filter(|(pair, _)| pair.left_out.is_none());
    let lengths = selected
        .filter_map(|(pair, facts)| Some(facts.lengths(pair.score.pseudo_label()?.preferred)));
    let share = one_sided_share(lengths).filter(|share| *share > limit)?;
    let message = format!(
        "{:.1} % of the selected labels prefer the answer of the same kind by length, more \
         than the {:.1} % of `rounds.one_sided_max`: the loop ends; hint: {}",
        100.0 * share,
        100.0 * limit,
        if longer_strata {
            "the model has learned little but length; if the data are so, raise `rounds.one_sided_max`"
        } else {
            "set `selection.longer_strata`"
        }
    );
    Some(Halt { reason: StopReason::SelectionOneSided, message })
}

/// Whether a reason to end the loop after a round is also a reason to undo the round.
#[must_use]
pub fn undoes_the_round(reason: StopReason, rounds: &RoundsSpec) -> bool {
    reason == StopReason::ValidationDropped && rounds.on_drop == DropAction::Rollback
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::PairId;
    use crate::domain::pseudo_label::PairScore;
    use crate::domain::selection::LeftOut;

    fn spec(change: impl Fn(&mut ExperimentSpec)) -> ExperimentSpec {
        let mut spec: ExperimentSpec =
            toml::from_str(include_str!("../../../assets/default.toml")).unwrap();
        change(&mut spec);
        spec
    }

    fn reason(halt: Option<Halt>) -> Option<StopReason> {
        halt.map(|halt| halt.reason)
    }

    /// Margins of `n` pairs of which so many are right.
    fn margins(n_right: usize, n: usize) -> Vec<f32> {
        (0..n).map(|i| if i < n_right { 0.5 } else { -0.5 }).collect()
    }

    #[test]
    fn a_seed_model_must_beat_a_coin() {
        let at_chance = Some(StopReason::SeedNotBetterThanChance);
        for (judged, n_right, n, level, expected) in [
            // P(X >= 9 of 10) = .0107, P(X >= 8 of 10) = .0547.
            ((0, 0), 9, 10, 0.05, None),
            ((0, 0), 8, 10, 0.05, at_chance),
            ((0, 0), 8, 10, 0.0, None),
            ((0, 0), 0, 10, 0.0, None),
            ((0, 0), 0, 0, 0.05, at_chance),
            // Seed pairs and validation pairs count together: 16 of 20 has probability .0059.
            ((8, 10), 8, 10, 0.05, None),
            ((5, 10), 8, 10, 0.05, at_chance),
        ] {
            let halt = seed_at_chance(judged, &margins(n_right, n), level);
            assert_eq!(reason(halt), expected, "{judged:?} {n_right} of {n} at {level}");
        }
        let said = seed_at_chance((3, 5), &margins(1, 2), 0.05).unwrap().message;
        assert!(said.contains("ranks 4 of 7 held-out human pairs right (57.1 %)"), "{said}");
        assert!(beats_chance((16, 20), 0.05) && !beats_chance((12, 20), 0.05));
    }

    #[test]
    fn what_the_validation_pairs_end() {
        type Change = fn(&mut ExperimentSpec);
        let (fell, at_chance) =
            (Some(StopReason::ValidationDropped), Some(StopReason::SeedNotBetterThanChance));
        let groups: Vec<u64> = (0..20).collect();
        let plain = |spec: &mut ExperimentSpec| {
            spec.selection.calibration_folds = 0;
            spec.rounds.on_drop = DropAction::Stop;
        };
        let cases: [(&str, Change, u32, usize, Option<StopReason>); 9] = [
            ("a good seed model", |_| (), 0, 18, None),
            ("a coin", |_| (), 0, 11, at_chance),
            ("folds say more", |spec| spec.selection.calibration_folds = 3, 0, 11, None),
            ("a seed-only run", |spec| spec.rounds.max = 0, 0, 11, None),
            ("the control", |spec| spec.rounds.pool_labels = PoolLabels::Human, 0, 11, None),
            ("a drop", |_| (), 1, 9, fell),
            ("a small drop", |_| (), 1, 15, None),
            (
                "a drop that nobody minds",
                |spec| spec.rounds.on_drop = DropAction::Ignore,
                1,
                9,
                None,
            ),
            ("a drop at level 0", |spec| spec.rounds.drop_level = 0.0, 1, 9, None),
        ];
        for (what, change, round, n_right, expected) in cases {
            let spec = spec(|spec| {
                plain(spec);
                change(spec);
            });
            let mut known = BTreeMap::from([(0, margins(18, 20))]);
            known.insert(round, margins(n_right, 20));
            let halt = after_validation(round, &known, &groups, &spec);
            assert_eq!(reason(halt), expected, "{what}");
        }
        let lone = BTreeMap::from([(4, margins(1, 20))]);
        assert_eq!(after_validation(4, &lone, &groups, &spec(plain)), None, "nothing to compare");
    }

    #[test]
    fn a_drop_tells_what_follows() {
        let groups: Vec<u64> = (0..20).collect();
        let known = BTreeMap::from([(1, margins(18, 20)), (2, margins(9, 20))]);
        for (on_drop, tail, undoes) in [
            (DropAction::Stop, "the loop ends", false),
            (DropAction::Rollback, "the run goes back to the round before", true),
        ] {
            let spec = spec(|spec| spec.rounds.on_drop = on_drop);
            let halt = after_validation(2, &known, &groups, &spec).unwrap();
            let head =
                "round 2 ranks 9 of 20 validation pairs right, the round before 18 (p = 0.002)";
            assert_eq!(halt.message, format!("{head}: {tail}"));
            assert_eq!(undoes_the_round(halt.reason, &spec.rounds), undoes);
            assert!(!undoes_the_round(StopReason::NothingNew, &spec.rounds));
        }
    }

    #[test]
    fn only_a_certificate_that_failed_ends_the_loop() {
        let certificate = |is_certified| Certificate {
            is_certified,
            coverage: 0.25,
            n: 40,
            n_errors: 7,
            bound: 0.312,
            max_error: 0.1,
            certainty: 0.9,
        };
        assert_eq!(uncertified(None), None);
        assert_eq!(uncertified(Some(certificate(true))), None);
        let halt = uncertified(Some(certificate(false))).unwrap();
        assert_eq!(halt.reason, StopReason::Uncertified);
        let tail = "the most confident 25.0 %, where 7 of 40 held-out human pairs are wrong and the \
                    bound is 31.2 %; the loop ends";
        assert!(halt.message.ends_with(tail), "{}", halt.message);
    }

    #[test]
    fn a_selection_of_one_kind_by_length_ends_the_loop() {
        // The longer answer is `a`; the last pair is left out.
        let facts = [PairFacts { n_tokens: [9, 5], ..PairFacts::default() }; 5];
        let pairs = |rewards: [f32; 5]| -> Vec<ScoredPair> {
            let scored = rewards.iter().zip(0..).map(|(reward_a, i)| ScoredPair {
                score: PairScore { pair: PairId(i), reward_a: *reward_a, reward_b: 0.0 },
                left_out: (i == 4).then_some(LeftOut::BelowThreshold),
            });
            scored.collect()
        };
        let one_kind = Some(StopReason::SelectionOneSided);
        for (rewards, limit, expected) in [
            ([1.0, 1.0, 1.0, -1.0, 1.0], 0.8, None),
            ([1.0, 1.0, 1.0, 1.0, -1.0], 0.8, one_kind),
            ([-1.0, -1.0, -1.0, -1.0, 1.0], 0.8, one_kind),
            ([1.0, 1.0, 1.0, -1.0, 1.0], 0.7, one_kind),
            ([1.0, 1.0, 1.0, 1.0, 1.0], 1.0, None),
        ] {
            let halt = one_sided(&pairs(rewards), &facts, limit, true);
            assert_eq!(reason(halt), expected, "{rewards:?} {limit}");
        }
        let equal = [PairFacts::default(); 5];
        assert_eq!(
            one_sided(&pairs([1.0; 5]), &equal, 0.5, true),
            None,
            "equal lengths are no kind"
        );
    }
}
