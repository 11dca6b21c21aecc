//! What the queue says about the reviewer's progress and the judgment just made.

use crate::domain::preference::{PairId, Side};
use crate::domain::review::goal::{Progress, goal, half_width_after};
use crate::domain::review::{Agreement, Choice, Order};
use crate::domain::verdict::Verdict;

use super::Samples;
use super::judging::Last;
use crate::tui::feed::samples::SamplesData;
use crate::tui::kit::decisions;
use crate::tui::kit::text;
use crate::tui::kit::text::{count, share};

/// ` teach · 7 of 20 · about 2 min`
pub fn progress(samples: &Samples, data: &SamplesData) -> String {
    let Progress { n_done, pace_ms, .. } = data.progress;
    let goal = goal(n_done, samples.judging.step, data.n_listed);
    let queue = samples.order.queue().map_or("", crate::domain::review::Queue::name);
    let mut parts = vec![format!(" {queue} · {} of {}", count(n_done as u64), count(goal as u64))];
    let n_left = (goal - n_done.min(goal)) as u64;
    match pace_ms {
        _ if n_left == 0 && n_done > 0 => parts.push("goal reached".to_owned()),
        Some(pace_ms) => parts.push(about(pace_ms * n_left)),
        None => {}
    }
    if samples.judging.is_second {
        parts.push("second opinion".to_owned());
    }
    parts.join(" · ")
}

/// `about 2 min`
fn about(ms: u64) -> String {
    match ms.div_ceil(60_000) {
        0 | 1 => "about 1 min".to_owned(),
        minutes @ 2..=90 => format!("about {minutes} min"),
        minutes => format!("about {} h", minutes.div_ceil(60)),
    }
}

/// What is known by what was judged, and what the rest of the goal adds. An audit is a random sample
/// and measures; the pairs of the teach queue are chosen for being doubtful, so that all that can be
/// said is what their labels are good for.
pub fn outlook(samples: &Samples, data: &SamplesData, has_ended: bool) -> String {
    let n_done = data.progress.n_done;
    let goal = goal(n_done, samples.judging.step, data.n_listed);
    let n_more = match goal - n_done.min(goal) {
        // The next goal, once one is reached.
        0 => samples.judging.step.min(data.n_listed.saturating_sub(n_done)),
        n => n,
    };
    if samples.order != Order::Audit {
        return if has_ended {
            "the run has ended: labels are kept and train no round of it".to_owned()
        } else {
            "each label trains from the next round on".to_owned()
        };
    }
    let estimate = data.estimate.as_ref();
    let points = |half: f64| format!("±{:.0} points", half * 100.0);
    let now = estimate.map(|it| {
        format!("precision {} {}", share(Some(it.precision), 3), points(it.interval.half_width()))
    });
    let then = half_width_after(estimate, n_more, data.n_selected).filter(|_| n_more > 0);
    let at_most = if estimate.is_none() { " at most" } else { "" };
    let then = then.map(|half| format!("{} more tell you {}{at_most}", n_more, points(half)));
    [now, then].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// `✓ last: 5924 right · model said left (.640) · that makes 3 disagreements of 7`
pub fn last(samples: &Samples, data: &SamplesData) -> Option<String> {
    let Last { pair, choice, left, model, confidence, was, others } =
        samples.judging.last.as_ref()?;
    let said = match choice {
        Choice::Left => "left",
        Choice::Right => "right",
        Choice::Neither => "neither",
        Choice::Never => "never train",
    };
    let model_said = model.map_or("neither", |side| place(side, *left));
    let mut parts = vec![
        format!("✓ last: {pair} {said}"),
        format!("model said {model_said} ({})", share(Some(*confidence), 3)),
    ];
    parts.extend(others.clone());
    let Progress { n_compared, n_against, .. } = data.progress;
    if n_compared > 0 {
        let differs = choice.side(*left).zip(*model).is_some_and(|(mine, its)| mine != its);
        let makes = if differs { "that makes " } else { "" };
        let noun = if n_against == 1 { "disagreement" } else { "disagreements" };
        parts.push(format!("{makes}{n_against} {noun} of {n_compared}"));
    }
    parts.extend(was.map(|was| format!("was {}", decisions::done(was))));
    Some(parts.join(" · "))
}

/// Where an answer stands.
fn place(side: Side, left: Side) -> &'static str {
    if side == left { "left" } else { "right" }
}

/// What others said of a pair, by where its answers stand: `bob: left, carl: neither`.
pub fn others(samples: &Samples, data: &SamplesData, pair: PairId) -> Option<String> {
    let left = samples.left(pair);
    let others = data.said.iter().filter(|(name, _)| *name != samples.judging.reviewer);
    let words: Vec<String> = others
        .map(|(name, judgment)| {
            let said = match (judgment.verdict, judgment.preferred) {
                (Verdict::Keep | Verdict::Flip, Some(side)) => place(side, left),
                (Verdict::Keep | Verdict::Flip, None) => "no label",
                (Verdict::Veto | Verdict::Undo, _) => "neither",
            };
            format!("{name}: {said}")
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// How far this reviewer agrees with each other one: `with bob 12 of 14 the same, kappa .71`.
pub fn agreement(samples: &Samples, data: &SamplesData) -> Option<String> {
    let mine = &samples.judging.reviewer;
    let with = |first: &str, second: &str| {
        let other = if first == mine { second } else { first };
        if other.is_empty() { "unnamed".to_owned() } else { other.to_owned() }
    };
    let own = data.agreements.iter().filter(|(first, second, _)| first == mine || second == mine);
    let words: Vec<String> = own
        .map(|(first, second, Agreement { n_both, n_same, kappa, .. })| {
            let kappa = kappa.map_or_else(String::new, |it| format!(", kappa {it:.2}"));
            let other = text::cut(&with(first, second), 16);
            format!("with {other} {n_same} of {n_both} the same{kappa}")
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" · "))
}
