//! What states, reasons, phases and metrics are called where people read them. JSON, CSV and the
//! database keep the names that programs know them by.

use super::phase::Phase;
use super::pool::NoPair;
use super::run::StopReason;
use super::selection::LeftOut;
use super::selection::learning_status::LearningStatus;

/// Why the loop ended, as half a sentence after `finished:`.
#[must_use]
pub fn stop_reason(reason: StopReason) -> &'static str {
    match reason {
        StopReason::RoundLimit => "all rounds done",
        StopReason::SelectionExhausted => "too few pairs left to select",
        StopReason::SeedNotBetterThanChance => "the seed model is no better than chance",
        StopReason::Uncertified => "no share of the pool could be certified",
        StopReason::NothingNew => "another round would bring no new label",
        StopReason::SelectionOneSided => "the selection is one-sided by length",
        StopReason::ValidationDropped => "the round dropped on the validation pairs",
        StopReason::StepLimit => "all policy steps done",
        StopReason::GoldDropped => "gold fell: back to the best step",
        StopReason::NonFinite => "a number was not finite",
        StopReason::UserStopped => "stopped on request",
    }
}

/// Why a pair was not selected.
#[must_use]
pub fn left_out(reason: LeftOut) -> &'static str {
    match reason {
        LeftOut::AlreadySelected => "selected in an earlier round",
        LeftOut::Vetoed => "left out: vetoed",
        LeftOut::Tie => "left out: equal rewards",
        LeftOut::NotSeparated => "left out: not one high and one low",
        LeftOut::DeltaTooSmall => "left out: too close together",
        LeftOut::BelowThreshold => "left out: confidence below the threshold",
        LeftOut::Stopped => "left out: the loop stops here",
    }
}

/// Why a prompt that a policy was to answer gave no pair.
#[must_use]
pub fn no_pair(reason: NoPair) -> &'static str {
    match reason {
        NoPair::TooLong => "the prompt leaves no room for an answer",
        NoPair::AllEqual => "no two answers differ in text and reward",
        NoPair::Duplicate => "the pool has the same pair",
    }
}

/// The learning status of a selection; `None` where the rule asks no status, about which there is
/// nothing to say.
#[must_use]
pub fn learning_status(status: LearningStatus) -> Option<&'static str> {
    match status {
        LearningStatus::Status1 => Some("status 1"),
        LearningStatus::Status2 => Some("status 2"),
        LearningStatus::Stop => Some("stop"),
        LearningStatus::Ungated => None,
    }
}

/// What a worker does in a step, by the name that its events give the step. A name that a newer
/// version wrote is shown with blanks for underscores.
#[must_use]
pub fn phase(step: &str) -> String {
    match step {
        "answer" => "policy answers".to_owned(),
        "cross_fit" => "folds".to_owned(),
        "validate" => "validation".to_owned(),
        "score" => "score pool".to_owned(),
        "sft" => "SFT".to_owned(),
        "open_reward" => "open reward".to_owned(),
        "evaluate_policy" => "evaluate".to_owned(),
        "best_of" => "best of n".to_owned(),
        other => other.replace('_', " "),
    }
}

/// What a worker is doing, with the fold that it is about where there are `n_parts` of them.
#[must_use]
pub fn doing(phase: Phase, part: u32, n_parts: u32) -> String {
    let fold = format!("fold {} of {n_parts}", part + 1);
    match phase {
        Phase::Open => "opens the model".to_owned(),
        Phase::Encode => "tokenizes the pairs".to_owned(),
        Phase::Train => "trains".to_owned(),
        Phase::Validate => "scores validation pairs".to_owned(),
        Phase::Test => "scores test pairs".to_owned(),
        Phase::Answer => "lets the policy answer".to_owned(),
        Phase::CrossFit => format!("{fold} trains"),
        Phase::JudgeFold => format!("{fold} scores"),
        Phase::SecondView => "reads likelihoods".to_owned(),
        Phase::Score => "scores the pool".to_owned(),
        Phase::Select => "selects".to_owned(),
        Phase::Review => "waits for a review".to_owned(),
        Phase::Sft => "learns the seed answers".to_owned(),
        Phase::OpenReward => "opens reward and judge".to_owned(),
        Phase::Sample => "answers prompts".to_owned(),
        Phase::Update => "learns from answers".to_owned(),
        Phase::EvaluatePolicy => "answers held-out prompts".to_owned(),
        Phase::BestOf => "samples for best of n".to_owned(),
        Phase::Restore => "takes earlier weights".to_owned(),
        Phase::Judge => "compares with the reference".to_owned(),
    }
}

/// Which round, or step of a policy, a phase belongs to: `round 2`, `step 12`.
#[must_use]
pub fn place(phase: Phase, round: u32) -> String {
    if phase.is_of_policy() { format!("step {round}") } else { format!("round {round}") }
}

/// A metric by the name that JSON and exports give it.
#[must_use]
pub fn metric(name: &str) -> String {
    let words = match name {
        "test/accuracy" => "test accuracy",
        "test/brier" => "test Brier",
        "test/nll" => "test NLL",
        "test/ece" => "test ECE",
        "validation/accuracy" => "validation accuracy",
        "pseudo_label_precision" => "label precision",
        "n_selected" => "pairs selected",
        "n_vetoed" => "pairs vetoed",
        // One pair counts again in each round that trains on it.
        "labels_trained_on" => "labels, all rounds",
        "wall_s" => "time",
        "n_tokens" => "tokens",
        other => return other.replace(['_', '/'], " "),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    #[test]
    fn no_word_for_people_has_an_underscore() {
        let reasons = StopReason::VARIANTS.iter().map(|it| stop_reason(*it));
        let left = LeftOut::VARIANTS.iter().map(|it| left_out(*it));
        let states = LearningStatus::VARIANTS.iter().filter_map(|it| learning_status(*it));
        let all: Vec<&str> = reasons.chain(left).chain(states).collect();
        assert!(all.iter().all(|words| !words.contains('_')), "{all:?}");
        assert_eq!(phase("cross_fit"), "folds");
        assert_eq!(phase("step_of_the_future"), "step of the future");
        assert_eq!(metric("test/brier"), "test Brier");
        assert_eq!(metric("human_labels"), "human labels");
    }
}
