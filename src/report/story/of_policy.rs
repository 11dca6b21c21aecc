//! What the events of a policy run say, each with a label, in one plain sentence.

use crate::analysis::judging::PeopleVerdict;
use crate::domain::event::RunEvent;
use crate::domain::policy::best_of::{Measured, Point};
use crate::domain::policy::metric::PolicyMetric as M;
use crate::domain::policy::record::{PolicyEvaluation, PolicyVerdict};
use crate::domain::policy::win::Share;
use crate::domain::text::words::{count, percent};
use std::fmt::Write as _;

/// The sentence of an event of a policy run with its label; `None` for other events, and for those that
/// only add a point to a curve.
#[must_use]
pub fn sentence(event: &RunEvent) -> Option<(&'static str, String)> {
    if let RunEvent::PolicyEvaluated { step, evaluation, .. } = event {
        return Some(("judge", evaluated(*step, evaluation)));
    }
    if let RunEvent::BestOfMeasured { curve } = event {
        return Some(("best of", best_of(curve)?));
    }
    if let RunEvent::SignSeen { step, seen } = event {
        return Some(("sign", format!("step {step}: {}", seen.message)));
    }
    if let RunEvent::PolicyRestored { from, to } = event {
        return Some((
            "restore",
            format!("the policy of step {from} becomes that of step {to} again"),
        ));
    }
    if let RunEvent::PolicyJudged { verdict } = event {
        return Some(("verdict", judged(verdict)));
    }
    if let RunEvent::RolloutVetoesRead { step, n_vetoed, .. } = event {
        let n = count(*n_vetoed);
        return Some((
            "veto",
            format!("from step {step} on: {n} prompts and answers vetoed in all"),
        ));
    }
    None
}

/// A step in one line: `step 12: reward 0.410, divergence 0.80 nats, 31 tokens, 6.2 % cut`.
#[must_use]
pub fn step_line(event: &RunEvent) -> Option<String> {
    let RunEvent::PolicyStepTaken { step, metrics, .. } = event else { return None };
    let of = |metric: M| metrics.get(&metric).copied();
    let mut parts = Vec::new();
    parts.extend(of(M::Loss).filter(|_| of(M::Reward).is_none()).map(|it| format!("loss {it:.3}")));
    parts.extend(of(M::Reward).map(|it| format!("reward {it:.3}")));
    parts.extend(of(M::ObjectiveKl).map(|it| format!("divergence {} nats", nats(it))));
    parts.extend(of(M::Entropy).or(of(M::PolicyEntropy)).map(|it| format!("entropy {it:.2}")));
    parts.extend(of(M::MeanLength).map(|it| format!("{it:.0} tokens")));
    parts.extend(of(M::ClippedRatio).map(|it| format!("{} cut", percent(it))));
    parts.extend(of(M::RewardAccuracies).map(|it| format!("{} of pairs right", percent(it))));
    Some(format!("step {step}: {}", parts.join(", ")))
}

/// Nats with two digits; what rounds to nothing has no sign.
#[must_use]
pub fn nats(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

fn measured(measured: &Measured) -> String {
    match measured.interval {
        Some(interval) => {
            format!("{:.3} ({:.3} to {:.3})", measured.mean, interval.low, interval.high)
        }
        None => format!("{:.3}", measured.mean),
    }
}

fn evaluated(step: u32, evaluation: &PolicyEvaluation) -> String {
    let mut parts = Vec::new();
    parts.extend(evaluation.proxy.as_ref().map(|it| format!("reward {}", measured(it))));
    parts.extend(evaluation.gold.as_ref().map(|it| format!("gold {}", measured(it))));
    parts.extend(
        evaluation.divergence.as_ref().map(|it| format!("divergence {} nats", nats(it.mean))),
    );
    parts.push(format!("{:.0} tokens", evaluation.length.mean));
    parts.push(format!("{} cut", percent(evaluation.clipped_ratio)));
    let prompts = count(evaluation.n_prompts);
    let partial = partial(evaluation).map_or_else(String::new, |it| format!("; {it}"));
    format!("after step {step}, {prompts} held-out prompts: {}{partial}", parts.join(", "))
}

/// Which answers of an evaluation nobody scored; `None` where all have what there is to have.
#[must_use]
pub fn partial(evaluation: &PolicyEvaluation) -> Option<String> {
    let of = |who: &str, n: u64| {
        let scored = count(evaluation.n_prompts.saturating_sub(n));
        (n > 0).then(|| format!("{who} scored {scored} of {} answers", count(evaluation.n_prompts)))
    };
    let found: Vec<String> =
        [of("the reward", evaluation.n_without_reward), of("the judge", evaluation.n_without_gold)]
            .into_iter()
            .flatten()
            .collect();
    (!found.is_empty()).then(|| format!("{}: means are over these alone", found.join(", ")))
}

fn best_of(curve: &[Point]) -> Option<String> {
    let (first, last) = (curve.first()?, curve.last()?);
    let gold = match (&first.gold, &last.gold) {
        (Some(first), Some(last)) => format!(", gold from {:.3} to {:.3}", first.mean, last.mean),
        _ => String::new(),
    };
    let best = curve.iter().rev().find_map(|point| Some((point.n, point.win_rate?.rate)));
    let wins = best.filter(|(n, _)| *n > 1).map_or_else(String::new, |(n, rate)| {
        format!("; the best of {n} wins against one answer in {}", share(&rate))
    });
    Some(format!(
        "the best of {} answers takes the reward from {:.3} to {:.3}{gold}{wins}",
        last.n, first.proxy.mean, last.proxy.mean
    ))
}

/// A share with its interval: `54.3 % (42.5 % to 66.6 %)`.
#[must_use]
pub fn share(share: &Share) -> String {
    let (low, high) = (percent(share.interval.low), percent(share.interval.high));
    format!("{} ({low} to {high})", percent(share.share))
}

/// The verdict as one sentence.
#[must_use]
pub fn judged(verdict: &PolicyVerdict) -> String {
    let PolicyVerdict { step, judge, win_rate, at_equal_length } = verdict;
    let equal = at_equal_length
        .as_ref()
        .map_or(String::new(), |it| format!("; at equal length {}", share(&it.rate)));
    format!(
        "the policy of step {step} wins {} of the games against its reference by {judge}, over {} prompts \
         ({} ties){equal}",
        share(&win_rate.rate),
        count(win_rate.n_prompts),
        percent(win_rate.tie.share)
    )
}

/// What people said of the policy, blind, as one sentence.
#[must_use]
pub fn judged_by_people(verdict: &PeopleVerdict) -> String {
    let step = verdict.matchup.step;
    let other = match &verdict.other {
        None => "its reference".to_owned(),
        Some(name) => format!("{name} (step {})", verdict.matchup.other_step),
    };
    let people: Vec<&str> = verdict.by_reviewer.keys().map(String::as_str).collect();
    let people = people.join(" and ");
    let Some(rate) = &verdict.win_rate else {
        return format!(
            "the policy of step {step} against {other} by {people}, blind: nothing counts yet"
        );
    };
    let mut words = format!(
        "the policy of step {step} wins {} of the games against {other} by {people}, blind, over {} of {} \
         prompts ({} won, {} tied, {} lost)",
        share(&rate.rate),
        count(rate.n_prompts),
        count(verdict.n_prompts),
        percent(rate.win.share),
        percent(rate.tie.share),
        percent(rate.loss.share),
    );
    if let Some(gold) = &verdict.gold {
        let _ = write!(words, "; gold on the same prompts {}", share(&gold.rate));
    }
    let [n_same, n_decided] = verdict.agreement;
    if n_decided > 0 {
        let (same, decided) = (count(n_same), count(n_decided));
        let _ = write!(words, ", and the same answer named in {same} of {decided}");
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::metric::Metrics;
    use crate::domain::policy::sign::{Seen, Sign};
    use crate::domain::stats::Interval;

    #[test]
    fn events_are_told_with_their_numbers() {
        let mean = |mean| Measured {
            mean,
            interval: Some(Interval { low: mean - 0.1, high: mean + 0.1 }),
        };
        let evaluation = PolicyEvaluation {
            n_prompts: 64,
            proxy: Some(mean(0.5)),
            gold: Some(mean(2.0)),
            divergence: None,
            length: mean(31.4),
            clipped_ratio: 0.25,
            n_without_reward: 0,
            n_without_gold: 0,
        };
        let evaluated = RunEvent::PolicyEvaluated { step: 10, evaluation, prompts: Vec::new() };
        let seen = Seen { sign: Sign::AllCut, message: "cut".to_owned(), back_to: None };
        for (event, want) in [
            (
                evaluated,
                "after step 10, 64 held-out prompts: reward 0.500 (0.400 to 0.600), gold 2.000 (1.900 to \
                 2.100), 31 tokens, 25.0 % cut",
            ),
            (RunEvent::SignSeen { step: 3, seen }, "step 3: cut"),
            (
                RunEvent::PolicyRestored { from: 30, to: 20 },
                "the policy of step 30 becomes that of step 20 again",
            ),
        ] {
            assert_eq!(sentence(&event).map(|it| it.1).as_deref(), Some(want));
        }
        assert_eq!(sentence(&RunEvent::Resumed), None);
        let metrics = Metrics::from([(M::Loss, 0.1), (M::Reward, 0.4), (M::ClippedRatio, 0.0)]);
        let step = RunEvent::PolicyStepTaken { step: 2, metrics, elapsed_ms: 5 };
        assert_eq!(step_line(&step).as_deref(), Some("step 2: reward 0.400, 0.0 % cut"));
    }
}
