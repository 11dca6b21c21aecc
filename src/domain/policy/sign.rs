//! The known signs that a policy's training goes wrong, decided from what its steps and evaluations
//! measured, each told in one sentence with its numbers.

use serde::{Deserialize, Serialize};

use super::metric::{Metrics, PolicyMetric as M};
use crate::domain::spec::Precision;
use crate::domain::stats::paired::{PairedDifference, mean_difference};
use crate::domain::text::words::percent;

/// Steps at either end of the series that are averaged: one step is a handful of prompts.
const WINDOW: usize = 10;
/// A sign that compares steps waits for so many.
const STEPS_MIN: usize = 5;
/// From this share of prompts without spread on, a step learns from less than a tenth of its answers.
const NO_SPREAD: f64 = 0.9;
/// From this share of cut answers on, hardly an answer was judged by its end.
const ALL_CUT: f64 = 0.95;
/// Answers this much longer than at the beginning are longer by more than chance: step means of 16 answers
/// differ by a few percent.
const LONGER: f64 = 1.2;
/// A divergence that is this many standard errors below 0 is no accident (a true one is never negative).
const ERRORS_BELOW: f64 = 3.0;
/// The divergence of taking the best of 3e13 answers (`ln n - 1`): far beyond what any reward was shown to
/// be good for.
const KL_MAX: f64 = 30.0;
/// Sampler and trainer are the same code: in f32 their ratio is 1 within 1e-5. A hundred times that is no
/// rounding but another text or mask.
const RATIO_MAX: f64 = 1e-3;
/// The same with products of bf16 operands, where a sum that differs in its last bit may round to another
/// operand in each of many blocks: 0.1 to 0.25 were seen at the farthest of 2,000 tokens of a model of 30.
const RATIO_MAX_BF16: f64 = 0.5;
/// The share of the first steps' entropy below which it has collapsed: 20 equally likely words have
/// become 2 (`20^0.3 = 2.5`).
const COLLAPSED: f64 = 0.3;
/// The level of the tests that gold rose, or fell; for a fall it is shared by all pairs of evaluations
/// that a run plans.
const LEVEL: f64 = 0.05;

/// A known sign of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Sign {
    /// All answers of nearly every prompt have the same reward.
    NoSpread,
    /// Nearly every answer is cut.
    AllCut,
    /// Answers grow and the reward with them, but not the judge's score.
    LengthUp,
    /// The estimated divergence is below 0.
    KlNegative,
    /// The divergence is far beyond where rewards hold.
    KlRunaway,
    /// Before the first update of a step, a token's ratio is not 1.
    FirstRatio,
    /// The policy has become nearly certain of every token.
    EntropyCollapse,
    /// The judge's score fell significantly below its best.
    GoldDown,
}

impl Sign {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// What it is called where people read it.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::NoSpread => "no spread of rewards",
            Self::AllCut => "every answer is cut",
            Self::LengthUp => "longer, not better",
            Self::KlNegative => "divergence below 0",
            Self::KlRunaway => "divergence runs away",
            Self::FirstRatio => "first ratio is not 1",
            Self::EntropyCollapse => "entropy collapses",
            Self::GoldDown => "gold fell",
        }
    }

    /// Whether it ends the stage; the others are told and nothing more.
    #[must_use]
    pub fn stops(self) -> bool {
        self == Self::GoldDown
    }
}

/// A sign with the numbers that it was seen by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    pub sign: Sign,
    /// The sentence for people, with a hint where something can be done.
    pub message: String,
    /// The step whose weights are to be taken again.
    pub back_to: Option<u32>,
}

/// What one step measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepSeen {
    pub step: u32,
    pub metrics: Metrics,
    /// Mean divergence of an answer (k1) and its standard error, in nats.
    pub divergence: Option<(f64, f64)>,
}

/// What one evaluation on the held-out prompts measured. All evaluations of a run have the same prompts in
/// the same order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSeen {
    pub step: u32,
    /// Mean reward.
    pub proxy: f64,
    /// The judge's mean score of each prompt's answers; empty without a judge.
    pub gold: Vec<f64>,
}

impl EvaluationSeen {
    /// The judge's mean score; `None` without a judge.
    #[must_use]
    pub fn mean_gold(&self) -> Option<f64> {
        let n = self.gold.len();
        (n > 0).then(|| self.gold.iter().sum::<f64>() / n as f64)
    }
}

/// The signs that are there after the last of these steps and evaluations, both in their order.
/// `n_planned` is the number of evaluations that the run will have had at its end.
#[must_use]
pub fn look(
    steps: &[StepSeen],
    evaluations: &[EvaluationSeen],
    n_planned: usize,
    precision: Precision,
) -> Vec<Seen> {
    let of_steps = [
        no_spread(steps),
        all_cut(steps),
        kl_negative(steps),
        kl_runaway(steps),
        first_ratio(steps, precision),
        entropy_collapse(steps),
    ];
    let of_both = [length_up(steps, evaluations), gold_down(evaluations, n_planned)];
    of_steps.into_iter().chain(of_both).flatten().collect()
}

/// Drops the steps that no later look will read: [`look`] reads both ends of the series.
pub fn forget_the_middle(steps: &mut Vec<StepSeen>) {
    if steps.len() > 2 * WINDOW {
        steps.drain(WINDOW..steps.len() - WINDOW);
    }
}

fn told(sign: Sign, message: String) -> Seen {
    Seen { sign, message, back_to: None }
}

/// The last steps.
fn latest(steps: &[StepSeen]) -> &[StepSeen] {
    &steps[steps.len().saturating_sub(WINDOW)..]
}

/// The mean of a metric over steps that have it; `None` where fewer than [`STEPS_MIN`] do.
fn mean(steps: &[StepSeen], metric: M) -> Option<f64> {
    let values: Vec<f64> = steps.iter().filter_map(|it| it.metrics.get(&metric).copied()).collect();
    (values.len() >= STEPS_MIN).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The means over the first and the last steps, where these do not overlap.
fn ends(steps: &[StepSeen], metric: M) -> Option<(f64, f64)> {
    let n = WINDOW.min(steps.len() / 2);
    Some((mean(&steps[..n], metric)?, mean(&steps[steps.len() - n..], metric)?))
}

fn no_spread(steps: &[StepSeen]) -> Option<Seen> {
    let share = mean(latest(steps), M::FracRewardZeroStd).filter(|share| *share >= NO_SPREAD)?;
    let n = latest(steps).len();
    let message = format!(
        "for {} of the prompts of the last {n} steps all answers have the same reward, so that nothing is \
         learned from them; hint: sample hotter or more answers (`policy.temperature`, `policy.answers`), or \
         take a reward that tells answers apart",
        percent(share),
    );
    Some(told(Sign::NoSpread, message))
}

fn all_cut(steps: &[StepSeen]) -> Option<Seen> {
    let share = mean(latest(steps), M::ClippedRatio).filter(|share| *share >= ALL_CUT)?;
    let n = latest(steps).len();
    let message = format!(
        "{} of the answers of the last {n} steps were cut before their end; hint: raise \
         `policy.max_new_tokens`, set `policy.missing_end_penalty`, or begin with an SFT stage",
        percent(share),
    );
    Some(told(Sign::AllCut, message))
}

fn length_up(steps: &[StepSeen], evaluations: &[EvaluationSeen]) -> Option<Seen> {
    let (before, after) = ends(steps, M::MeanLength)?;
    let (first, last) = (evaluations.first()?, evaluations.last()?);
    let gold = difference(first, last)?;
    let rose = gold.difference > 0.0 && gold.p_value / 2.0 < LEVEL;
    if after < LONGER * before || last.proxy <= first.proxy || rose {
        return None;
    }
    let message = format!(
        "answers grew from {before:.0} to {after:.0} tokens and the reward from {:.2} to {:.2}, but the \
         judge's score by {:+.2} ({:+.2} to {:+.2}) from step {} to {}: the reward pays for length; hint: \
         see the win rate at equal length, or raise `policy.beta`",
        first.proxy,
        last.proxy,
        gold.difference,
        gold.interval.low,
        gold.interval.high,
        first.step,
        last.step,
    );
    Some(told(Sign::LengthUp, message))
}

fn kl_negative(steps: &[StepSeen]) -> Option<Seen> {
    let seen: Vec<(f64, f64)> = latest(steps).iter().filter_map(|it| it.divergence).collect();
    if seen.len() < STEPS_MIN {
        return None;
    }
    let n = seen.len() as f64;
    let mean = seen.iter().map(|it| it.0).sum::<f64>() / n;
    let error = seen.iter().map(|it| it.1 * it.1).sum::<f64>().sqrt() / n;
    if mean + ERRORS_BELOW * error >= 0.0 {
        return None;
    }
    let message = format!(
        "the divergence from the reference is {mean:.2} ± {error:.2} nats an answer over the last {} steps, \
         and a true one is never below 0: the answers are not plain samples of the policy; hint: sample at \
         temperature 1 without top-k, top-p and min-p",
        seen.len(),
    );
    Some(told(Sign::KlNegative, message))
}

fn kl_runaway(steps: &[StepSeen]) -> Option<Seen> {
    let last = steps.last()?;
    let (kl, _) = last.divergence.filter(|(kl, _)| kl.is_nan() || *kl > KL_MAX)?;
    let message = format!(
        "at step {} an answer is {kl:.0} nats from the reference, farther than {KL_MAX:.0}, where no reward \
         model is known to hold; hint: raise `policy.beta` or lower `policy.learning_rate`",
        last.step,
    );
    Some(told(Sign::KlRunaway, message))
}

fn first_ratio(steps: &[StepSeen], precision: Precision) -> Option<Seen> {
    let most = match precision {
        Precision::F32 => RATIO_MAX,
        Precision::Bf16 => RATIO_MAX_BF16,
    };
    let last = steps.last()?;
    let off = *last.metrics.get(&M::FarthestRatio)?;
    if off <= most {
        return None;
    }
    let message = format!(
        "before the first update of step {} a token's ratio is off 1 by {off:.1e}, and rounding gives less \
         than {most:.0e}: sampling and training do not see the same text or weights",
        last.step,
    );
    Some(told(Sign::FirstRatio, message))
}

fn entropy_collapse(steps: &[StepSeen]) -> Option<Seen> {
    let found = ends(steps, M::Entropy).or_else(|| ends(steps, M::PolicyEntropy));
    let (before, after) = found.filter(|(before, after)| *after < COLLAPSED * before)?;
    let message = format!(
        "the entropy of a token fell from {before:.2} to {after:.2} nats: answers to a prompt become one; \
         hint: raise `policy.beta`, lower `policy.learning_rate`, or stop earlier",
    );
    Some(told(Sign::EntropyCollapse, message))
}

/// The judge's scores of the later evaluation less those of the earlier one, prompt by prompt; `None`
/// where there are none, or fewer than two prompts.
fn difference(earlier: &EvaluationSeen, later: &EvaluationSeen) -> Option<PairedDifference> {
    if earlier.gold.len() != later.gold.len() {
        return None;
    }
    let pairs = earlier.gold.iter().zip(&later.gold);
    mean_difference(&pairs.map(|(earlier, later)| later - earlier).collect::<Vec<f64>>())
}

/// The evaluation with the highest mean of the judge's scores, the earliest of equals; `None` without a
/// judge.
#[must_use]
pub fn best(evaluations: &[EvaluationSeen]) -> Option<&EvaluationSeen> {
    let mut best: Option<(&EvaluationSeen, f64)> = None;
    for it in evaluations {
        if let Some(gold) = it.mean_gold()
            && best.is_none_or(|(_, most)| gold > most)
        {
            best = Some((it, gold));
        }
    }
    best.map(|(it, _)| it)
}

/// A one-sided paired t test of the last evaluation against the best one, over prompts. The best of
/// several is partly lucky, and every evaluation is another chance to err, so the level is shared by all
/// pairs of evaluations that the run plans (Bonferroni): with 5 % chance at most a run is stopped that did
/// not get worse.
fn gold_down(evaluations: &[EvaluationSeen], n_planned: usize) -> Option<Seen> {
    let (best, last) = (best(evaluations)?, evaluations.last()?);
    let gold = difference(best, last)?;
    let n = n_planned.max(evaluations.len());
    let n_pairs = (n * n.saturating_sub(1) / 2).max(1);
    let p = gold.p_value / 2.0;
    if gold.difference >= 0.0 || p * n_pairs as f64 >= LEVEL {
        return None;
    }
    let message = format!(
        "the judge's score fell from {:.2} at step {} to {:.2} at step {} ({} prompts, p = {p:.1e}) while the \
         reward went from {:.2} to {:.2}: the policy goes back to step {}",
        best.mean_gold().unwrap_or_default(),
        best.step,
        last.mean_gold().unwrap_or_default(),
        last.step,
        gold.n,
        best.proxy,
        last.proxy,
        best.step,
    );
    Some(Seen { sign: Sign::GoldDown, message, back_to: Some(best.step) })
}

#[cfg(test)]
mod tests;
