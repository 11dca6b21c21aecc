//! What states, reasons and events are called on screens.

use crate::domain::event::{RunEvent, SelectionSummary};
use crate::domain::metrics::calibration::CalibrationReport;
use crate::domain::phase::Phase;
use crate::domain::run::{Liveness, RunStatus};
use crate::domain::selection::origins::OriginSummary;
use crate::domain::selection::risk::Certificate;
use crate::domain::stats::Interval;
use crate::domain::teacher::audit::SelectionAudit;
use crate::domain::text::clean::clean_line;
use crate::domain::told::learning_status;
use crate::report::story::{self, of_policy};
use crate::store::rows::{EventLine, RunRow, TestAccuracy};

use super::text::{NONE, count, duration, first_that_fits, share};

pub use crate::domain::told::{left_out, stop_reason};

/// The precision of a selection's labels by whose answers a pair has: ` data .919, policy .731`; empty
/// where all pairs are those of the data set.
pub fn by_origin(summary: &SelectionSummary) -> String {
    let parts = summary.by_origin.as_deref().map(|it| {
        let part = |(name, of): (&str, &OriginSummary)| {
            format!("{name} {}", share(of.pseudo_label_precision, 3))
        };
        it.parts().map(part).join(", ")
    });
    parts.map_or_else(String::new, |parts| format!(" {parts}"))
}

/// A run's condition: its status and its process in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Condition {
    /// A worker works on it.
    Running,
    /// Its worker exists but has not spoken for a while.
    Silent,
    /// Held between two steps.
    Paused,
    /// Its worker is gone; it can be resumed.
    Interrupted,
    /// Waits for a free slot.
    Queued,
    /// Ended by an error.
    Failed,
    Stopped,
    Done,
}

impl Condition {
    /// The condition of a run.
    pub fn of(row: &RunRow) -> Self {
        match (row.status, row.liveness) {
            (RunStatus::Queued, _) => Self::Queued,
            (RunStatus::Failed, _) => Self::Failed,
            (RunStatus::Stopped, _) => Self::Stopped,
            (RunStatus::Finished, _) => Self::Done,
            (RunStatus::Running | RunStatus::Paused, Liveness::Gone) => Self::Interrupted,
            (RunStatus::Running | RunStatus::Paused, Liveness::Silent) => Self::Silent,
            (RunStatus::Running, _) => Self::Running,
            (RunStatus::Paused, _) => Self::Paused,
        }
    }

    /// The word beside the glyph.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Silent => "silent",
            Self::Paused => "paused",
            Self::Interrupted => "interrupted",
            Self::Queued => "queued",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Done => "done",
        }
    }

    /// One column that tells the conditions apart without color.
    pub fn glyph(self) -> &'static str {
        match self {
            Self::Running => "●",
            Self::Silent => "○",
            Self::Paused => "‖",
            Self::Interrupted => "⚠",
            Self::Queued => "◌",
            Self::Failed => "✗",
            Self::Stopped => "■",
            Self::Done => "✓",
        }
    }

    /// Whether a worker process exists.
    pub fn has_worker(self) -> bool {
        matches!(self, Self::Running | Self::Silent | Self::Paused)
    }

    /// Whether it goes on when the viewer leaves.
    pub fn keeps_going(self) -> bool {
        self.has_worker() || self == Self::Queued
    }
}

/// What could be shown about the error of the labels before anybody looks at the pool.
pub fn certificate(certificate: &Certificate) -> String {
    let Certificate { bound, max_error, certainty, coverage, .. } = *certificate;
    let (bound, max_error) = (share(Some(bound), 3), share(Some(max_error), 3));
    if certificate.is_certified {
        let (sure, of_pool) = (certainty * 100.0, share(Some(coverage), 2));
        format!("{sure:.0}% sure: error ≤{bound} on {of_pool} of pool")
    } else {
        format!("not certified: error ≤{bound}, wanted ≤{max_error}")
    }
}

/// What the round's model makes of its own labels, where it says so.
pub fn expected_error(audit: &SelectionAudit) -> Option<String> {
    let mut parts = Vec::new();
    if let Some(error) = audit.estimated_error {
        parts.push(format!("model expects {} wrong", share(Some(error), 3)));
    }
    if let Some(bound) = audit.certificate.filter(|found| found.is_certified) {
        parts.push(format!("certified ≤{}", share(Some(bound.bound), 3)));
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// What calibration did to the probabilities of held-out human pairs, in at most `columns` columns.
pub fn calibration(report: &CalibrationReport, columns: usize) -> String {
    let [before, after] = [report.ece_before, report.ece_after].map(|ece| share(Some(ece), 3));
    let (n, temperature) = (count(report.n), report.temperature);
    let ways = [
        format!("held out (n {n}): ECE {before}→{after} at T {temperature:.2}"),
        format!("held out: ECE {before}→{after}, T {temperature:.2}"),
        format!("held out: ECE {before}→{after}"),
    ];
    first_that_fits(&ways, columns).to_owned()
}

/// Half the width of an evaluation's 95 % interval.
pub fn half_interval<'a, T>(evaluation: &'a T) -> f64
where
    TestAccuracy: From<&'a T>,
{
    let TestAccuracy { ci_low: low, ci_high: high, .. } = evaluation.into();
    Interval { low, high }.half_width()
}

/// `.7241 ±.0062`
pub fn accuracy<'a, T>(evaluation: Option<&'a T>, digits: usize) -> String
where
    TestAccuracy: From<&'a T>,
{
    evaluation.map_or_else(
        || share(None, digits),
        |evaluation| {
            let half = share(Some(half_interval(evaluation)), digits);
            let TestAccuracy { accuracy, .. } = evaluation.into();
            format!("{} ±{half}", share(Some(accuracy), digits))
        },
    )
}

/// One line of the event log, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    pub kind: &'static str,
    pub text: String,
    /// Something a person should look at.
    pub is_warning: bool,
}

/// What a line about verdicts that took effect is called.
const VERDICT: &str = "verdict";

/// The lines of some events, oldest first. Of verdicts that took effect one after the other the newest
/// says it all.
pub fn log_lines(events: &[EventLine]) -> Vec<LogLine> {
    let mut lines: Vec<LogLine> = Vec::with_capacity(events.len());
    for line in events.iter().filter_map(log_line) {
        if line.kind == VERDICT && lines.last().is_some_and(|last| last.kind == VERDICT) {
            lines.pop();
        }
        lines.push(line);
    }
    lines
}

/// The words for an event; `None` for those that only move a progress bar or a curve.
pub fn log_line(line: &EventLine) -> Option<LogLine> {
    let at_ms = line.at_ms;
    let Ok(event) = serde_json::from_str::<RunEvent>(&line.body) else {
        // Written by a newer version: shown as it is rather than lost.
        let text = clean_line(&line.body);
        return Some(LogLine { at_ms, kind: "event", text, is_warning: false });
    };
    let is_warning = matches!(event, RunEvent::Warned { .. } | RunEvent::RunFailed { .. });
    let (kind, text) = event_words(&event)?;
    Some(LogLine { at_ms, kind, text: clean_line(&text), is_warning })
}

fn taken(round: u32, [kept, flipped, vetoed]: [String; 3]) -> String {
    format!("round {round} takes {kept} kept, {flipped} flipped, {vetoed} vetoed")
}

fn paused(reason: &str) -> String {
    let review = "waits for your review: 3 shows pairs, 6 answers, p lets it go on";
    if reason == "review" { review } else { "paused on request: p goes on" }.to_owned()
}

fn model_words(event: &RunEvent) -> String {
    let RunEvent::ModelOpened { family, n_parameters, precision, device, chat_template } = event
    else {
        return String::new();
    };
    let mut text = format!("{family}, {} parameters, {precision}, {device}", count(*n_parameters));
    if let Some(template) = chat_template {
        text.push_str(", template ");
        text.push_str(&template.name);
    }
    text
}

/// The beginning of a phase that takes minutes and that no other event tells before its end.
fn begun(phase: Phase, number: u32, n_folds: u32, n_pairs: u64) -> Option<String> {
    match phase {
        Phase::CrossFit => Some(format!(
            "fold {number} of {n_folds}: a model without its part of the seed set, to judge it"
        )),
        Phase::Sft => Some("SFT: the policy learns the answers that people preferred".to_owned()),
        Phase::BestOf => {
            Some(format!("{} answers to find out what the best of n is worth", count(n_pairs)))
        }
        Phase::SecondView => Some(format!(
            "a second view: how likely the backbone finds the answers of {} pairs",
            count(n_pairs)
        )),
        _ => None,
    }
}

fn event_words(event: &RunEvent) -> Option<(&'static str, String)> {
    Some(match event {
        RunEvent::StepStarted { step, part, n_parts, n_total, .. } => {
            ("begin", begun(*step, *part + 1, *n_parts, *n_total)?)
        }
        RunEvent::Progressed { .. } | RunEvent::TrainStepTaken { .. } => return None,
        RunEvent::RunStarted { worker, resumed_from } => (
            "start",
            match resumed_from {
                Some(name) => format!("worker {} goes on from checkpoint {name}", worker.pid),
                None => format!("worker {} on {}", worker.pid, worker.host),
            },
        ),
        RunEvent::ModelOpened { .. } => ("model", model_words(event)),
        RunEvent::DataSplitMade { n_seed_set, n_validation, n_unlabeled_pool, n_test, .. } => (
            "data",
            format!(
                "seed set {} · validation {} · pool {} · test {}",
                count(*n_seed_set),
                count(*n_validation),
                count(*n_unlabeled_pool),
                count(*n_test)
            ),
        ),
        RunEvent::TextsEncoded { n_pairs, n_tokens, n_truncated, .. } => (
            "encode",
            format!(
                "{} pairs · {} tokens · {} pairs truncated",
                count(*n_pairs),
                count(*n_tokens),
                count(*n_truncated)
            ),
        ),
        RunEvent::CheckpointSaved { name, n_bytes, .. } => {
            ("save", format!("checkpoint {name} · {}", size(*n_bytes)))
        }
        RunEvent::VerdictsRead { round, n_vetoed, n_kept, n_flipped, .. } => {
            (VERDICT, taken(*round, [n_kept, n_flipped, n_vetoed].map(|n| count(*n))))
        }
        RunEvent::RequestRead { kind, .. } => ("request", kind.name().to_owned()),
        RunEvent::Paused { reason } => ("pause", paused(reason)),
        RunEvent::Resumed => ("resume", "goes on".to_owned()),
        RunEvent::Warned { message } => ("warning", message.clone()),
        RunEvent::RolledBack { from, to } => {
            ("rollback", format!("round {from} is undone · the model is that of round {to}"))
        }
        RunEvent::CrossFitted { .. } => ("cross-fit", story::sentence(event)?),
        RunEvent::PairsGenerated { .. } => ("policy", story::sentence(event)?),
        RunEvent::RunStopped => ("stop", "stopped on request; R resumes".to_owned()),
        RunEvent::RunFinished { reason } => ("done", stop_reason(*reason).to_owned()),
        RunEvent::RunFailed { message, hint, .. } => (
            "failed",
            hint.as_ref().map_or_else(|| message.clone(), |hint| format!("{message} · {hint}")),
        ),
        RunEvent::RolloutsSampled { .. }
        | RunEvent::PolicyStepTaken { .. }
        | RunEvent::PolicyEvaluated { .. }
        | RunEvent::BestOfMeasured { .. }
        | RunEvent::SignSeen { .. }
        | RunEvent::PolicyRestored { .. }
        | RunEvent::PolicyJudged { .. }
        | RunEvent::RolloutVetoesRead { .. } => return of_policy::sentence(event),
        RunEvent::StepsMatched { .. }
        | RunEvent::RoundReused { .. }
        | RunEvent::OracleAnswered { .. }
        | RunEvent::RoundTrained { .. }
        | RunEvent::PoolScored { .. }
        | RunEvent::SelectionMade { .. }
        | RunEvent::Evaluated { .. }
        | RunEvent::RoundFinished { .. } => return round_words(event),
    })
}

fn round_words(event: &RunEvent) -> Option<(&'static str, String)> {
    Some(match event {
        RunEvent::StepsMatched { run, arm, n_steps } => {
            ("plan", format!("at least {} steps, as {arm} took ({run})", count(*n_steps)))
        }
        RunEvent::RoundReused { round, run, wall_ms, .. } => {
            ("reuse", format!("round {round} of {run} · {} saved", duration(*wall_ms)))
        }
        RunEvent::OracleAnswered { round, queue, answers, n_wrong } => {
            let (n, queue) = (count(answers.len() as u64), queue.name());
            ("oracle", format!("round {round} · {n} {queue} pairs answered, {n_wrong} wrongly"))
        }
        RunEvent::RoundTrained { .. } => ("train", story::sentence(event)?),
        RunEvent::PoolScored { round, n_pairs, elapsed_ms, .. } => (
            "score",
            format!("round {round} · {} pairs in {}", count(*n_pairs), duration(*elapsed_ms)),
        ),
        RunEvent::SelectionMade { summary, .. } => {
            ("select", format!("{}{}", story::sentence(event)?, selection(summary)))
        }
        RunEvent::Evaluated { split, .. } => (split.name(), story::sentence(event)?),
        RunEvent::RoundFinished { round, wall_ms, .. } => {
            ("round", format!("round {round} done in {}", duration(*wall_ms)))
        }
        RunEvent::RolloutsSampled { .. }
        | RunEvent::PolicyStepTaken { .. }
        | RunEvent::PolicyEvaluated { .. }
        | RunEvent::BestOfMeasured { .. }
        | RunEvent::SignSeen { .. }
        | RunEvent::PolicyRestored { .. }
        | RunEvent::PolicyJudged { .. }
        | RunEvent::RolloutVetoesRead { .. }
        | RunEvent::RunStarted { .. }
        | RunEvent::ModelOpened { .. }
        | RunEvent::DataSplitMade { .. }
        | RunEvent::TextsEncoded { .. }
        | RunEvent::StepStarted { .. }
        | RunEvent::Progressed { .. }
        | RunEvent::TrainStepTaken { .. }
        | RunEvent::CrossFitted { .. }
        | RunEvent::PairsGenerated { .. }
        | RunEvent::CheckpointSaved { .. }
        | RunEvent::VerdictsRead { .. }
        | RunEvent::RequestRead { .. }
        | RunEvent::Paused { .. }
        | RunEvent::Resumed
        | RunEvent::RolledBack { .. }
        | RunEvent::Warned { .. }
        | RunEvent::RunStopped
        | RunEvent::RunFinished { .. }
        | RunEvent::RunFailed { .. } => return None,
    })
}

/// What else a selection shows, beside the sentence that tells it.
fn selection(summary: &SelectionSummary) -> String {
    let status = learning_status(summary.learning_status);
    let status = status.map_or_else(String::new, |status| format!(" · {status}"));
    let vetoed = match summary.n_vetoed {
        0 => String::new(),
        n => format!(" · {} vetoed", count(n)),
    };
    let views = second_views(&summary.audit).map_or(String::new(), |views| format!(" · {views}"));
    format!("{status}{vetoed}{}{views}", error_bound(summary))
}

/// `with likelihood ×1.95 and surface ×.55`: the views beside the reward model that counted, by their
/// weights; `None` where none did.
pub fn second_views(audit: &SelectionAudit) -> Option<String> {
    let views = [("likelihood", audit.view_weight), ("surface", audit.surface_weight)];
    let shown: Vec<String> = views
        .iter()
        .filter_map(|(name, weight)| weight.map(|weight| format!("{name} ×{weight:.2}")))
        .collect();
    (!shown.is_empty()).then(|| format!("with {}", shown.join(" and ")))
}

/// ` · error ≤ .082` where a selection is certified, ` · not certified` where it could not be.
pub fn error_bound(summary: &SelectionSummary) -> String {
    match summary.audit.certificate {
        None => String::new(),
        Some(it) if it.is_certified => format!(" · error ≤ {}", share(Some(it.bound), 3)),
        Some(_) => " · not certified".to_owned(),
    }
}

/// An error and what to do about it on one line.
pub fn with_hint(error: &str, hint: Option<String>) -> String {
    hint.map_or_else(|| error.to_owned(), |hint| format!("{error} · {hint}"))
}

/// A size in the unit that leaves one to three digits before the point.
pub fn size(n_bytes: u64) -> String {
    match n_bytes {
        0..1_000_000 => format!("{:.1} kB", n_bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n_bytes as f64 / 1e6),
        _ => format!("{:.1} GB", n_bytes as f64 / 1e9),
    }
}

/// A size in three digits at most: `312 MB`, `4.1 GB`.
pub fn short_size(n_bytes: u64) -> String {
    let value = n_bytes as f64;
    let (value, unit) = match n_bytes {
        0..1_000_000 => (value / 1e3, "kB"),
        1_000_000..1_000_000_000 => (value / 1e6, "MB"),
        _ => (value / 1e9, "GB"),
    };
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// What of data, model and settings the list of runs knows, with its name.
pub fn facts(row: &RunRow) -> [(&'static str, String); 4] {
    let number = |value: Option<f64>| value.map_or(NONE.to_owned(), |value| value.to_string());
    [
        ("model", row.facts.backbone.to_string()),
        ("data", row.facts.source.to_string()),
        ("lr", number(row.facts.learning_rate)),
        ("τ", number(row.facts.high_threshold)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_that_counted_are_told_with_their_weights() {
        let audit = SelectionAudit { surface_weight: Some(0.5537), ..SelectionAudit::default() };
        assert_eq!(second_views(&audit).as_deref(), Some("with surface ×0.55"));
        let audit = SelectionAudit { view_weight: Some(1.9), ..audit };
        let both = "with likelihood ×1.90 and surface ×0.55";
        assert_eq!(second_views(&audit).as_deref(), Some(both));
        assert_eq!(second_views(&SelectionAudit::default()), None);
    }

    #[test]
    fn a_bound_is_told_with_how_sure_it_is() {
        let found = Certificate {
            is_certified: true,
            coverage: 0.42,
            n: 300,
            n_errors: 24,
            bound: 0.1178,
            max_error: 0.12,
            certainty: 0.95,
        };
        assert_eq!(certificate(&found), "95% sure: error ≤.118 on .42 of pool");
        let lost = Certificate { is_certified: false, bound: 0.2, ..found };
        assert_eq!(certificate(&lost), "not certified: error ≤.200, wanted ≤.120");
        let audit = SelectionAudit {
            estimated_error: Some(0.081),
            certificate: Some(found),
            ..SelectionAudit::default()
        };
        assert_eq!(
            expected_error(&audit).as_deref(),
            Some("model expects .081 wrong · certified ≤.118")
        );
        assert_eq!(expected_error(&SelectionAudit::default()), None);
    }

    #[test]
    fn events_become_words_and_curve_points_do_not() {
        let line = |body: &str| {
            log_line(&EventLine { seq: 1, attempt: 1, at_ms: 0, body: body.to_owned() })
        };
        let warned = line(r#"{"event":"warned","message":"loss is \u001b[31mNaN"}"#).unwrap();
        assert_eq!((warned.kind, warned.is_warning), ("warning", true));
        assert_eq!(warned.text, "loss is ⟨ESC⟩[31mNaN");
        assert_eq!(line(r#"{"event":"step_started","round":1,"step":"train","n_total":9}"#), None);
        assert_eq!(line(r#"{"event":"from_the_future"}"#).unwrap().kind, "event");
        let done = line(r#"{"event":"run_finished","reason":"round_limit"}"#).unwrap();
        assert_eq!(done.text, "all rounds done");
    }
}
