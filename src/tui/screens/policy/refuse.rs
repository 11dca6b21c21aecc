//! Why a command cannot act on the policy screen.

use super::answers::{Selected, selected};
use super::command::PolicyCommand as P;
use crate::domain::run::RunKind;
use crate::store::policy::RolloutsOf;
use crate::store::rows::RunRow;
use crate::tui::kit::words::Condition;
use crate::tui::shell::keymap::command::{Command, ViewerCommand};
use crate::tui::shell::model::Model;

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let of_this = |run| Some(run) == model.policy.run.as_ref();
    if model.policy.judging.is_some() {
        return super::judging::refuse::refusal(model, command);
    }
    if command == Command::Undo && !model.policy.done.iter().any(|it| of_this(&it.run)) {
        return Some("no veto was made here that could be taken back".to_owned());
    }
    if command == Command::Redo && !model.policy.undone.iter().any(|it| of_this(&it.run)) {
        return Some("no veto was taken back".to_owned());
    }
    if command == Command::Viewer(ViewerCommand::Export)
        && let Some(row) = model.current().filter(|row| row.kind == RunKind::Ser)
    {
        return Some(format!("{} is no policy · 2 and 3 write what it is", row.name));
    }
    let Command::Policy(command) = command else { return None };
    let Some(row) = model.current() else { return Some("no run is selected".to_owned()) };
    if row.kind == RunKind::Ser {
        return Some(format!("{} is no policy · P starts one that it rewards", row.name));
    }
    if command == P::Metric {
        return None;
    }
    if command == P::Judge {
        let policy = model.current_data().and_then(|data| data.policy.as_ref());
        return super::judging::refuse::of_opening(policy);
    }
    let Some(selected) = selected(model) else {
        let lists = matches!(command, P::NextEvaluation | P::PreviousEvaluation | P::Follow);
        let is_filtered = !model.policy.filter.is_empty();
        return match (lists, is_filtered) {
            (true, _) => None,
            (false, true) => Some("no prompt has these words: / changes them".to_owned()),
            (false, false) => Some("no answers were sampled yet".to_owned()),
        };
    };
    match command {
        P::VetoPrompt => of_veto(row, &selected),
        P::VetoAnswer => of_veto(row, &selected).or_else(|| of_answer(row, &selected)),
        P::Read
        | P::Metric
        | P::NextStep
        | P::PreviousStep
        | P::NextEvaluation
        | P::PreviousEvaluation
        | P::Follow
        | P::NextAnswer
        | P::PreviousAnswer
        | P::Sort
        | P::Judge
        | P::Beside => None,
    }
}

/// Why a veto would come to nothing.
fn of_veto(row: &RunRow, selected: &Selected) -> Option<String> {
    if matches!(selected.shown.of, RolloutsOf::Evaluation(_)) {
        return Some(
            "held-out prompts teach the policy nothing: [ and ] show its steps".to_owned(),
        );
    }
    (Condition::of(row) == Condition::Done)
        .then(|| format!("{} is done: no step comes that could leave it out", row.name))
}

/// Why an answer cannot be taken out of its batch any more.
fn of_answer(row: &RunRow, selected: &Selected) -> Option<String> {
    let is_held = row.waits_for_review() && selected.shown.of == RolloutsOf::Step(row.round);
    (!is_held).then(|| {
        "this step has learned from its answers; with `review.mode = \"gate\"` it waits for you \
         · v takes the prompt out of later steps"
            .to_owned()
    })
}
