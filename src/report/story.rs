//! What each phase of a run came to, in one plain sentence.

pub mod of_policy;

use crate::domain::event::{RunEvent, SelectionSummary};
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::pool::Generation;
use crate::domain::text::words::{count, duration, percent};
use crate::domain::told;

/// Tells what came of a phase that an event ends; `None` for other events.
#[must_use]
pub fn sentence(event: &RunEvent) -> Option<String> {
    Some(match event {
        RunEvent::RoundTrained { round, n_train_pairs, elapsed_ms, .. } => {
            let (pairs, time) = (count(*n_train_pairs), duration(*elapsed_ms));
            format!("round {round} has learned from {pairs} pairs in {time}")
        }
        RunEvent::CrossFitted { n_folds, n_pairs, n_correct, .. } => {
            let share = percent(*n_correct as f64 / (*n_pairs).max(1) as f64);
            let pairs = count(*n_pairs);
            format!(
                "{n_folds} fold models agree with people on {share} of {pairs} seed pairs new to them"
            )
        }
        RunEvent::PairsGenerated { generation, .. } => generated(generation),
        RunEvent::SelectionMade { round, summary, .. } => selected(*round, summary),
        RunEvent::Evaluated { round, split, evaluation, .. } => {
            evaluated(*round, *split, evaluation)
        }
        RunEvent::RolloutsSampled { .. }
        | RunEvent::PolicyStepTaken { .. }
        | RunEvent::PolicyEvaluated { .. }
        | RunEvent::BestOfMeasured { .. }
        | RunEvent::SignSeen { .. }
        | RunEvent::PolicyRestored { .. }
        | RunEvent::PolicyJudged { .. }
        | RunEvent::RolloutVetoesRead { .. } => {
            return of_policy::sentence(event).map(|(_, sentence)| sentence);
        }
        RunEvent::RunStarted { .. }
        | RunEvent::ModelOpened { .. }
        | RunEvent::DataSplitMade { .. }
        | RunEvent::TextsEncoded { .. }
        | RunEvent::StepsMatched { .. }
        | RunEvent::RoundReused { .. }
        | RunEvent::StepStarted { .. }
        | RunEvent::Progressed { .. }
        | RunEvent::TrainStepTaken { .. }
        | RunEvent::OracleAnswered { .. }
        | RunEvent::PoolScored { .. }
        | RunEvent::RoundFinished { .. }
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

/// `rloo 3f9a02c4 answered 200 prompts of the pool 4 times each: 188 pairs join it for round 1`
fn generated(generation: &Generation) -> String {
    let Generation { origin, n_prompts, n_answers, n_pairs, n_judged, no_pair, .. } = generation;
    let digest = origin.digest.get(..8).unwrap_or(&origin.digest);
    let mut said = format!(
        "{} {digest} gave {} answers to {} prompts of the pool: {} pairs join it for round {}",
        origin.policy,
        count(*n_answers),
        count(*n_prompts),
        count(*n_pairs),
        origin.round
    );
    if generation.judge.is_some() && n_judged < n_pairs {
        said = format!("{said}, {} with a label of the judge", count(*n_judged));
    }
    for (why, n) in no_pair {
        said = format!("{said}; {} without a pair: {}", count(*n), told::no_pair(*why));
    }
    said
}

fn selected(round: u32, summary: &SelectionSummary) -> String {
    let (scored, kept) = (count(summary.n_scored), count(summary.n_selected));
    if summary.n_selected == 0 {
        return format!("round {round} labels {scored} pairs and keeps none");
    }
    // Only the labels that were held back can tell.
    let right = summary.pseudo_label_precision.map_or(String::new(), |precision| {
        format!(
            "; {} of these labels are right, which data without labels cannot show",
            percent(precision)
        )
    });
    format!("round {round} labels {scored} pairs and keeps the {kept} it is surest of{right}")
}

fn evaluated(round: u32, split: Split, evaluation: &Evaluation) -> String {
    let (share, pairs) = (percent(evaluation.accuracy), count(evaluation.n));
    let (low, high) = (percent(evaluation.ci_low), percent(evaluation.ci_high));
    let name = split.name();
    format!("round {round} agrees with people on {share} of {pairs} {name} pairs ({low} to {high})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::selection_made;

    #[test]
    fn phases_end_with_a_plain_sentence() {
        let evaluation = Evaluation::from_margins(&[1.0, 2.0, -1.0, 0.5]).unwrap();
        let validated =
            RunEvent::Evaluated { round: 0, split: Split::Validation, evaluation, margins: vec![] };
        let told = sentence(&validated).unwrap();
        let expected = "round 0 agrees with people on 75.0 % of 4 validation pairs (";
        assert!(told.starts_with(expected), "{told}");
        let folded =
            RunEvent::CrossFitted { n_folds: 3, n_pairs: 200, n_correct: 120, elapsed_ms: 9 };
        assert_eq!(
            sentence(&folded).unwrap(),
            "3 fold models agree with people on 60.0 % of 200 seed pairs new to them"
        );
        assert_eq!(sentence(&RunEvent::Resumed), None);
    }

    #[test]
    fn a_selection_says_what_only_held_back_labels_can_tell() {
        let RunEvent::SelectionMade { summary, .. } = selection_made(1, 8) else { panic!() };
        let told = |precision: Option<f64>, n_selected: u64| {
            let summary = SelectionSummary {
                pseudo_label_precision: precision,
                n_selected,
                ..summary.clone()
            };
            selected(1, &summary)
        };
        let start = "round 1 labels 8 pairs and keeps the 4 it is surest of";
        assert_eq!(told(None, 4), start);
        assert_eq!(
            told(Some(0.92), 4),
            format!(
                "{start}; 92.0 % of these labels are right, which data without labels cannot show"
            )
        );
        assert_eq!(told(Some(0.92), 0), "round 1 labels 8 pairs and keeps none");
    }
}
