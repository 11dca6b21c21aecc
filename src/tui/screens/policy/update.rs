//! What keys and messages do on the policy screen.

use crate::domain::policy::veto::RolloutKey;
use crate::store::policy::RolloutsOf;

use super::answers::{cursor, listed, neighbor, selected, shown};
use super::command::PolicyCommand;
use super::{Decided, Pane, Policy, judging};
use crate::tui::feed::change::Change;
use crate::tui::feed::policy::PolicyData;
use crate::tui::feed::samples::Request;
use crate::tui::kit::command_line::command_line;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::command::{Command, Motion, PaneCommand};
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{ChoiceItem, Overlay, Then};

/// Does a command of the screen, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    if model.policy.judging.is_some() && command != Command::Copy {
        return judging::update::on_command(model, command, n);
    }
    match command {
        Command::Policy(command) => return on_own(model, command, n),
        Command::Worker(command) => return current_run::on_worker(model, command),
        Command::Move(motion) => on_motion(model, motion, n),
        Command::Pane(command) => on_pane(&mut model.policy, command),
        Command::Copy => {
            current_run::open_copy(model);
            // What lies below the answers that are judged says whose they are.
            if model.policy.judging.is_none() {
                offer_texts(model);
            }
        }
        Command::Wrap => return current_run::wrap_events(model),
        Command::Undo => return take_back(model, true),
        Command::Redo => return take_back(model, false),
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Judging(_) => {}
    }
    Vec::new()
}

fn on_own(model: &mut Model, command: PolicyCommand, n: usize) -> Vec<Effect> {
    let policy = &mut model.policy;
    match command {
        PolicyCommand::Read => {
            if !policy.pane.is_of_answers() {
                policy.pane = Pane::List;
                policy.is_zoomed = false;
            }
            policy.is_zoomed = !policy.is_zoomed;
        }
        PolicyCommand::Metric => policy.page = policy.page.next(),
        PolicyCommand::NextStep => return go(model, true, false, n),
        PolicyCommand::PreviousStep => return go(model, false, false, n),
        PolicyCommand::NextEvaluation => return go(model, true, true, n),
        PolicyCommand::PreviousEvaluation => return go(model, false, true, n),
        PolicyCommand::Follow => return follow(model),
        PolicyCommand::NextAnswer => turn(model, |at, last| at.saturating_add(n).min(last)),
        PolicyCommand::PreviousAnswer => turn(model, |at, _| at.saturating_sub(n)),
        PolicyCommand::Sort => {
            policy.order = policy.order.next();
            // The top of the new order is what is looked for.
            (policy.pair, policy.answer, policy.scrolled) = (None, 0, 0);
        }
        PolicyCommand::Beside => {
            policy.has_other_beside = !policy.has_other_beside;
            policy.scrolled = 0;
        }
        PolicyCommand::Judge => return judging::update::open(model),
        PolicyCommand::VetoPrompt => return veto(model, false),
        PolicyCommand::VetoAnswer => return veto(model, true),
    }
    Vec::new()
}

fn policy_data(model: &Model) -> Option<&PolicyData> {
    model.current_data()?.policy.as_ref()
}

/// Shows the answers of another step or evaluation.
fn go(model: &mut Model, is_next: bool, wants_evaluation: bool, n: usize) -> Vec<Effect> {
    let Some(data) = policy_data(model) else { return Vec::new() };
    let Some(now) = model.policy.at.or_else(|| data.newest()) else {
        return model.say(Tone::Refused, "no answers were sampled yet");
    };
    let mut at = now;
    for _ in 0..n {
        let Some(next) = neighbor(data, at, is_next, wants_evaluation) else { break };
        at = next;
    }
    if at == now {
        let what = match (is_next, wants_evaluation) {
            (true, false) => "this is the newest step that can be read · f follows",
            (false, false) => "no step before this one can be read",
            (true, true) => "no evaluation was made since",
            (false, true) => "no evaluation was made before",
        };
        return model.say(Tone::Refused, what);
    }
    model.policy.at = Some(at);
    (model.policy.answer, model.policy.scrolled) = (0, 0);
    Vec::new()
}

fn follow(model: &mut Model) -> Vec<Effect> {
    let policy = &mut model.policy;
    (policy.at, policy.pair, policy.answer, policy.scrolled) = (None, None, 0, 0);
    model.say(Tone::Note, "the newest step is shown as it comes")
}

/// Who reads stays where they read, whatever comes meanwhile.
fn pin(model: &mut Model) {
    if model.policy.at.is_none() {
        model.policy.at = shown(model).map(|shown| shown.of);
    }
}

fn turn(model: &mut Model, to: impl FnOnce(usize, usize) -> usize) {
    pin(model);
    let Some(selected) = selected(model) else { return };
    let last = selected.rollout.answers.len().saturating_sub(1);
    model.policy.answer = to(selected.answer, last);
    model.policy.scrolled = 0;
}

/// Moving is for the pane that has the keys.
fn on_motion(model: &mut Model, motion: Motion, n: usize) {
    match model.policy.pane {
        Pane::List | Pane::Charts => move_prompt(model, motion, n),
        Pane::Answer => {
            pin(model);
            let n_lines = longest_text(model);
            model.policy.scrolled = model.moved(motion, model.policy.scrolled, n_lines, n);
        }
        Pane::Signs => {
            let n_lines = super::signs::n_lines(model);
            model.policy.signs_from = model.moved(motion, model.policy.signs_from, n_lines, n);
        }
        Pane::Events => {
            // The log counts from its newest line, so down means less.
            let n_lines = model.current_data().map_or(0, |data| data.log.len());
            let at = n_lines.saturating_sub(model.policy.log_back + 1);
            let at = model.moved(motion, at, n_lines, n);
            model.policy.log_back = n_lines.saturating_sub(at + 1);
        }
    }
}

fn move_prompt(model: &mut Model, motion: Motion, n: usize) {
    pin(model);
    let Some(shown) = shown(model) else { return };
    let listed = listed(&model.policy, shown);
    let at = model.moved(motion, cursor(&model.policy, shown, &listed), listed.len(), n);
    let pair = listed.get(at).map(|at| shown.rollouts[*at].pair);
    let policy = &mut model.policy;
    (policy.pair, policy.answer, policy.scrolled) = (pair, 0, 0);
}

/// Lines that a text of the selected prompt takes at most: at least ten characters stand in one.
fn longest_text(model: &Model) -> usize {
    let Some(selected) = selected(model) else { return 0 };
    let beside = super::answers::beside(&model.policy, &selected).map(|(_, answer)| answer);
    let read = selected.rollout.answers.get(selected.answer);
    let lines = |text: &str| text.lines().map(|line| 1 + line.chars().count() / 10).sum();
    read.into_iter().chain(beside).map(|answer| lines(&answer.text)).max().unwrap_or(0)
}

fn on_pane(policy: &mut Policy, command: PaneCommand) {
    let now = Pane::ALL.iter().position(|pane| *pane == policy.pane).unwrap_or(0);
    let n = Pane::ALL.len();
    match command {
        PaneCommand::Next => policy.pane = Pane::ALL[(now + 1) % n],
        PaneCommand::Previous => policy.pane = Pane::ALL[(now + n - 1) % n],
        PaneCommand::Zoom => policy.is_zoomed = !policy.is_zoomed,
    }
}

/// Vetoes the prompt under the cursor, or the answer that is read; a veto in force ends.
fn veto(model: &mut Model, is_of_answer: bool) -> Vec<Effect> {
    pin(model);
    let Some(selected) = selected(model) else { return Vec::new() };
    let (RolloutsOf::Step(step), Some(run)) = (selected.shown.of, model.policy.run.clone()) else {
        return Vec::new();
    };
    let at = selected.answer;
    let is_vetoed = if is_of_answer {
        selected.rollout.vetoed.get(at).copied().unwrap_or(false)
    } else {
        selected.rollout.is_prompt_vetoed
    };
    let answer = is_of_answer.then_some((step, at as u32));
    let key = RolloutKey { pair: selected.rollout.pair.0, answer };
    let decided = Decided { run, key, is_veto: !is_vetoed };
    model.policy.done.push(decided.clone());
    model.policy.undone.clear();
    record(model, decided)
}

/// Takes the latest decision on this run back, or brings it back.
fn take_back(model: &mut Model, is_undo: bool) -> Vec<Effect> {
    let policy = &mut model.policy;
    let (from, to) = if is_undo {
        (&mut policy.done, &mut policy.undone)
    } else {
        (&mut policy.undone, &mut policy.done)
    };
    let at = from.iter().rposition(|it| Some(&it.run) == policy.run.as_ref());
    let Some(at) = at else { return Vec::new() };
    let decided = from.remove(at);
    to.push(decided.clone());
    let is_veto = decided.is_veto != is_undo;
    record(model, Decided { is_veto, ..decided })
}

/// Shows a decision at once; what is read next is what really holds.
fn record(model: &mut Model, decided: Decided) -> Vec<Effect> {
    let Decided { run, key, is_veto } = decided;
    let data = model.run.as_mut().filter(|data| data.detail.row.id == run);
    let shown = data.and_then(|data| data.policy.as_mut()).and_then(|it| it.shown.as_mut());
    if let Some(shown) = shown {
        let is_of_step = |step| shown.of == RolloutsOf::Step(step);
        let mut rollouts = shown.rollouts.iter_mut();
        let rollout = rollouts.find(|rollout| rollout.pair.0 == key.pair);
        match (rollout, key.answer) {
            (Some(rollout), None) => rollout.is_prompt_vetoed = is_veto,
            (Some(rollout), Some((step, answer))) if is_of_step(step) => {
                if let Some(flag) = rollout.vetoed.get_mut(answer as usize) {
                    *flag = is_veto;
                }
            }
            _ => {}
        }
    }
    vec![Effect::Samples(Request::VetoRollout { run, key, is_veto })]
}

/// The texts of what is read, to be copied.
fn offer_texts(model: &mut Model) {
    let Some(selected) = selected(model) else { return };
    let Some(answer) = selected.rollout.answers.get(selected.answer) else { return };
    let item = |key, label: &str, text: &str| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: super::answers::question(text),
        then: Then::Effect(Effect::Change(Change::Copy {
            what: format!("the {label} · {}", selected.rollout.pair),
            text: text.to_owned(),
        })),
    };
    let run = model.policy.run.as_ref().map(ToString::to_string).unwrap_or_default();
    let (key, step) = match selected.shown.of {
        RolloutsOf::Step(step) => ("--step", step),
        RolloutsOf::Evaluation(step) => ("--evaluation", step),
    };
    let words = ["rollouts".to_owned(), run, key.to_owned(), step.to_string()];
    let items = [
        item('a', "answer", &answer.text),
        item('p', "prompt", &selected.rollout.prompt),
        item('l', "command of the answers", &command_line(&words)),
    ];
    if let Some(Overlay::Choice(choice)) = &mut model.overlay {
        choice.items.extend(items);
    }
}

/// The text of the filter has changed; every text is one.
pub fn on_filter(model: &mut Model, text: &str) -> Option<String> {
    text.trim().clone_into(&mut model.policy.filter);
    (model.policy.answer, model.policy.scrolled) = (0, 0);
    None
}
