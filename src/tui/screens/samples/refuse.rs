//! Why a command cannot act on the samples screen.

use crate::domain::review::Order;

use super::command::SamplesCommand as S;
use crate::tui::feed::samples::SamplesData;
use crate::tui::shell::keymap::command::{Command, ListCommand, ViewerCommand};
use crate::tui::shell::model::{Model, READ_ONLY};

const DECIDE_FIRST: &str = "decide first: x veto, a keep or f flip";
const JUDGE_FIRST: &str = "judge first: 1 left, 2 right, 0 neither, x never";
const BEING_READ: &str = "this pair is still being read";

/// Why a command cannot act now; `None` when it can.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let writes = matches!(
        command,
        Command::Undo
            | Command::Redo
            | Command::Samples(
                S::Judge(_)
                    | S::Veto
                    | S::Keep
                    | S::Flip
                    | S::VetoAll
                    | S::KeepAll
                    | S::Comment
                    | S::Reason
            )
    );
    if model.is_read_only && writes {
        return Some(READ_ONLY.to_owned());
    }
    let samples = &model.samples;
    let Some(data) = samples.current() else {
        let needs = writes
            || matches!(
                command,
                Command::Samples(_)
                    | Command::Copy
                    | Command::Viewer(ViewerCommand::Filter | ViewerCommand::Export)
            );
        // A queue can be asked for before its pairs are here, so that no key after it goes astray.
        let opens = matches!(command, Command::Samples(S::Audit | S::Teach));
        if samples.has_none {
            return needs.then(|| "no pair of this run was scored yet".to_owned());
        }
        return (needs && !opens).then(|| "the pairs are still being read".to_owned());
    };
    let nothing = match command {
        Command::Undo => data.undo.is_none().then_some("nothing to undo"),
        Command::Redo => data.redo.is_none().then_some("nothing to redo"),
        Command::List(ListCommand::ClearMarks) => {
            let is_none = samples.marked.is_empty() && samples.range_from.is_none();
            is_none.then_some("nothing is marked")
        }
        Command::Viewer(ViewerCommand::Filter) => (samples.order == Order::Audit)
            .then_some("a filtered sample is not random any more · Q leaves the audit"),
        Command::Samples(command) => return of_own(model, data, command),
        Command::Move(_)
        | Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Pane(_)
        | Command::Worker(_)
        | Command::Copy
        | Command::Wrap
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_)
        | Command::Judging(_) => None,
    };
    nothing.map(str::to_owned)
}

/// Why an action of this screen alone cannot act on what is listed.
fn of_own(model: &Model, data: &SamplesData, command: S) -> Option<String> {
    let samples = &model.samples;
    let is_first = data.rounds.first() == Some(&data.round);
    let is_last = data.rounds.last() == Some(&data.round);
    match command {
        S::Left | S::Right => (!samples.cuts_lines)
            .then(|| "lines are wrapped: nothing is beside them · W cuts them".to_owned()),
        S::Comment | S::Reason => samples
            .comment_on()
            .is_none()
            .then(|| if samples.is_queue() { JUDGE_FIRST } else { DECIDE_FIRST }.to_owned()),
        S::PreviousRound => {
            is_first.then(|| format!("round {} is the first with a selection", data.round))
        }
        S::NextRound => {
            is_last.then(|| format!("round {} is the latest with a selection", data.round))
        }
        S::VetoAll | S::KeepAll => (data.n_listed == 0).then(|| "the list is empty".to_owned()),
        S::Judge(_) | S::Skip | S::Veto | S::Keep | S::Flip if data.n_listed == 0 => {
            Some("the list is empty".to_owned())
        }
        // Nobody judges a text that is not on the screen, be the key ever so quick.
        S::Judge(_) => (!samples.is_shown()).then(|| BEING_READ.to_owned()),
        S::Gold => samples
            .selected()
            .is_some_and(|pair| samples.hides(pair))
            .then(|| "blind: judge the pair first, or B shows what the model says".to_owned()),
        S::Guidelines => samples
            .judging
            .guidelines
            .is_empty()
            .then(|| "no guidelines: write them into guidelines.md in the home".to_owned()),
        // The cursor is on a line that is not read yet. A decision would concern no pair, and would
        // still be a step for undo without any rows.
        S::Veto | S::Keep | S::Flip | S::MarkLike => {
            samples.targets().is_empty().then(|| BEING_READ.to_owned())
        }
        S::GiveReason(_)
        | S::NextOpen
        | S::PreviousOpen
        | S::Audit
        | S::Teach
        | S::Sort
        | S::Views
        | S::View(_)
        | S::GoTo
        | S::Diff
        | S::Skip
        | S::Blind
        | S::SecondOpinion
        | S::Refresh => None,
    }
}
