//! What keys and messages do on the compare screen.

use crate::analysis::{Comparison, ComparisonQuery, DisagreementSplit, RoundChoice};
use crate::domain::run::RunId;
use crate::report::listing::compared::ComparedList;
use crate::report::listing::{Listing, Printed};
use crate::report::table::Form;
use crate::report::{
    ComparisonDocument, ImageForm, comparison_csv, comparison_markdown, comparison_svg,
};

use super::command::CompareCommand as K;
use super::table;
use super::{Compare, Pane};
use crate::tui::feed::change::{Change, Contents};
use crate::tui::feed::compare::CompareData;
use crate::tui::screens::{policy, samples};
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::export::{picture_item, report_item};
use crate::tui::shell::keymap::command::{Command, Motion, PaneCommand};
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};

/// Takes what the data thread has read; the cursor stays within it.
pub fn take(model: &mut Model, data: Option<CompareData>) {
    let compare = &mut model.compare;
    compare.data = data.map(Box::new);
    let n_pairs = compare.n_pairs();
    compare.pair = compare.pair.min(n_pairs.saturating_sub(1));
    compare.arm = compare.arm.min(compare.n_arms().saturating_sub(1));
    let n_rows = table::n_rows(compare);
    compare.row = compare.row.min(n_rows.saturating_sub(1));
}

/// Does a command, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let effects = match command {
        Command::Compare(command) => on_own(model, command, n),
        Command::Move(motion) => {
            move_cursor(model, motion, n);
            Vec::new()
        }
        Command::Pane(command) => {
            on_pane(&mut model.compare, command);
            Vec::new()
        }
        Command::Copy => {
            open_copy(model);
            Vec::new()
        }
        Command::Wrap => current_run::wrap_events(model),
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Worker(_)
        | Command::Undo
        | Command::Redo
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Launch(_)
        | Command::Policy(_)
        | Command::Judging(_) => Vec::new(),
    };
    let n_rows = table::n_rows(&model.compare);
    model.compare.row = model.compare.row.min(n_rows.saturating_sub(1));
    effects
}

fn on_own(model: &mut Model, command: K, n: usize) -> Vec<Effect> {
    let compare = &mut model.compare;
    let last = compare.runs.len().saturating_sub(1);
    match command {
        K::Left => step(compare, |at| at.saturating_sub(n)),
        K::Right => step(compare, |at| at.saturating_add(n)),
        K::MoveLeft => move_column(compare, compare.column.saturating_sub(n)),
        K::MoveRight => move_column(compare, (compare.column + n).min(last)),
        K::Base => compare.base = compare.selected().cloned(),
        K::OnlyDifferent => compare.shows_all = !compare.shows_all,
        K::Normalize => compare.is_normalized = !compare.is_normalized,
        K::Axis => compare.axis = compare.axis.next(),
        K::Metric if compare.is_of_policies => compare.policy_curve = compare.policy_curve.next(),
        K::Metric => compare.metric = compare.metric.next(),
        K::Rounds => {
            compare.rounds = match compare.rounds {
                RoundChoice::Last => RoundChoice::Best,
                RoundChoice::Best => RoundChoice::Last,
            };
        }
        K::Resort => resort(compare),
        K::Drop => {
            compare.runs.remove(compare.column);
            compare.column = compare.column.min(last.saturating_sub(1));
        }
        K::Arms => {
            compare.pane = if compare.pane == Pane::Arms { Pane::Table } else { Pane::Arms };
        }
        K::OpenPair => return open_pair(model),
        K::Export => open_export(model),
    }
    Vec::new()
}

fn on_pane(compare: &mut Compare, command: PaneCommand) {
    match command {
        PaneCommand::Zoom => compare.is_zoomed = !compare.is_zoomed,
        // Policies have no arms.
        PaneCommand::Next | PaneCommand::Previous if compare.is_of_policies => {
            compare.pane = if compare.pane == Pane::Table { Pane::Pairs } else { Pane::Table };
        }
        PaneCommand::Next => {
            compare.pane = match compare.pane {
                Pane::Table => Pane::Pairs,
                Pane::Pairs => Pane::Arms,
                Pane::Arms => Pane::Table,
            };
        }
        PaneCommand::Previous => {
            compare.pane = match compare.pane {
                Pane::Table => Pane::Arms,
                Pane::Pairs => Pane::Table,
                Pane::Arms => Pane::Pairs,
            };
        }
    }
}

fn move_cursor(model: &mut Model, motion: Motion, n: usize) {
    match model.compare.pane {
        Pane::Table => {
            let n_rows = table::n_rows(&model.compare);
            model.compare.row = model.moved(motion, model.compare.row, n_rows, n);
        }
        Pane::Pairs if model.compare.is_of_policies => {
            let n_runs = model.compare.runs.len();
            model.compare.column = model.moved(motion, model.compare.column, n_runs, n);
        }
        Pane::Pairs => {
            let n_pairs = model.compare.n_pairs();
            model.compare.pair = model.moved(motion, model.compare.pair, n_pairs, n);
        }
        Pane::Arms => {
            let n_arms = model.compare.n_arms();
            model.compare.arm = model.moved(motion, model.compare.arm, n_arms, n);
        }
    }
}

/// Goes from column to column as they are shown: the base first.
fn step(compare: &mut Compare, to: impl FnOnce(usize) -> usize) {
    let base = compare.base().and_then(|base| compare.runs.iter().position(|run| run == base));
    let others = (0..compare.runs.len()).filter(|index| Some(*index) != base);
    let shown: Vec<usize> = base.into_iter().chain(others).collect();
    let at = shown.iter().position(|index| *index == compare.column).unwrap_or(0);
    let to = to(at).min(shown.len().saturating_sub(1));
    compare.column = shown.get(to).copied().unwrap_or(0);
}

fn move_column(compare: &mut Compare, to: usize) {
    let run = compare.runs.remove(compare.column);
    compare.runs.insert(to, run);
    compare.column = to;
}

/// Best test accuracy first; the selected run stays selected.
fn resort(compare: &mut Compare) {
    let Some(data) = &compare.data else { return };
    let accuracy = |run: &RunId| {
        let found = data.comparison.runs.iter().find(|compared| compared.row.id == *run);
        let test = found.and_then(|run| run.compared_round()?.test.as_ref());
        test.map_or(-1.0, |test| test.accuracy)
    };
    let selected = compare.selected().cloned();
    compare.runs.sort_by(|a, b| accuracy(b).total_cmp(&accuracy(a)));
    let place = compare.runs.iter().position(|run| Some(run) == selected.as_ref());
    compare.column = place.unwrap_or(0);
}

/// Opens the selected pair with the run that was selected beside the base.
fn open_pair(model: &mut Model) -> Vec<Effect> {
    if model.compare.pane == Pane::Table {
        model.compare.pane = Pane::Pairs;
        return Vec::new();
    }
    if model.compare.pane == Pane::Arms {
        return mark_arm(model);
    }
    if model.compare.is_of_policies {
        if let Some(run) = model.compare.selected().cloned() {
            policy::open::open(model, run);
        }
        return Vec::new();
    }
    let Some(data) = &model.compare.data else { return Vec::new() };
    let Some((index, found)) = &data.beside else { return Vec::new() };
    let Some(pair) = found.pairs.get(model.compare.pair) else { return Vec::new() };
    if pair.split == DisagreementSplit::Test {
        let words = "a test pair decides nothing: only pool pairs are reviewed";
        return model.say(Tone::Refused, words);
    }
    let run = data.comparison.runs.get(*index).map(|run| run.row.id.clone());
    let (round, pair) = (Some(pair.other.round), Some(pair.pair));
    if let Some(run) = run {
        samples::open::open(model, run, round, pair);
    }
    Vec::new()
}

/// Marks the runs of the selected arm in the runs list.
fn mark_arm(model: &mut Model) -> Vec<Effect> {
    let arms = model.compare.data.as_ref().and_then(|data| data.arms.as_ref());
    let Some(arm) = arms.and_then(|arms| arms.arms.get(model.compare.arm)) else {
        return Vec::new();
    };
    let (runs, what) = (arm.runs.clone(), arm.arm.clone());
    current_run::mark(model, runs, &what)
}

fn open_copy(model: &mut Model) {
    let Some(data) = &model.compare.data else { return };
    let ids: Vec<String> = data.comparison.runs.iter().map(|run| run.row.id.to_string()).collect();
    let base = &data.comparison.runs[data.comparison.base].row.id;
    let command = match &data.policies {
        Some(_) => format!("ser policy {}", ids.join(" ")),
        None => format!("ser compare {} --base {base}", ids.join(" ")),
    };
    let item = |key: char, label: &str, detail: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: detail.to_owned(),
        then: Then::Effect(Effect::Change(Change::Copy { what: label.to_owned(), text })),
    };
    let markdown = match &data.policies {
        Some(policies) => policies.matrix.text(Form::Markdown),
        None => comparison_markdown(&data.comparison),
    };
    let of_markdown = match &data.policies {
        Some(_) => "who wins how often",
        None => "the table of what differs",
    };
    let mut items = vec![
        item('m', "Markdown", of_markdown, markdown),
        item('c', "command", &command, command.clone()),
        item('y', "ids", "of the runs", ids.join(" ")),
    ];
    if data.arms.is_some() {
        let Comparison { base, rounds, .. } = data.comparison;
        let runs = data.comparison.runs.iter().map(|run| run.row.id.clone()).collect();
        let query = ComparisonQuery { runs, base, rounds, n_loss_points: 0 };
        let list = ComparedList { query, n_pairs: 0, shows_gold: false };
        let printed = Printed { listing: Listing::Compared(list), form: Form::Markdown };
        let what = "the arms as Markdown".to_owned();
        items.push(ChoiceItem {
            key: Some('a'),
            label: "arms".to_owned(),
            detail: "what ser compare --md prints of them".to_owned(),
            then: Then::Effect(Effect::Change(Change::CopyPrinted { what, printed })),
        });
    }
    model.overlay = Some(Overlay::Choice(Choice { title: "copy".to_owned(), items, cursor: 0 }));
}

/// Which form, then under which name.
fn open_export(model: &mut Model) {
    let compare = &model.compare;
    let Some(data) = &compare.data else { return };
    let comparison = &data.comparison;
    let mut beside = vec![None; comparison.runs.len()];
    if let Some((index, found)) = &data.beside {
        beside[*index] = Some(found.clone());
    }
    let document = ComparisonDocument::new(comparison, None, &beside, false);
    let json = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
    let item = |key: char, name: &str, detail: &str, contents: String| ChoiceItem {
        key: Some(key),
        label: name.to_owned(),
        detail: detail.to_owned(),
        then: Then::Chosen(Chosen::File {
            name: name.to_owned(),
            contents: Contents::Text(contents),
        }),
    };
    if let Some(policies) = &data.policies {
        let matrix = &policies.matrix;
        let mut items = vec![
            item('m', "policies.md", "who wins how often", matrix.text(Form::Markdown)),
            item('c', "policies.csv", "the same rates in full", matrix.text(Form::Csv)),
            item(
                'j',
                "policies.json",
                "as ser policy --json prints it",
                matrix.json().unwrap_or_default(),
            ),
        ];
        items.extend(report_item(model));
        let title = "export".to_owned();
        model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
        return;
    }
    let mut items = vec![
        item('m', "compare.md", "the table of what differs", comparison_markdown(comparison)),
        item('c', "compare.csv", "every metric and difference", comparison_csv(comparison)),
        item('j', "compare.json", "as ser compare --json prints it", json),
    ];
    let svg = comparison_svg(comparison, compare.metric, compare.axis);
    items.extend(ImageForm::ALL.map(|form| {
        let contents = Contents::Drawn { svg: svg.clone(), form };
        picture_item('s', "compare", "the curves", form, contents)
    }));
    items.extend(report_item(model));
    model.overlay = Some(Overlay::Choice(Choice { title: "export".to_owned(), items, cursor: 0 }));
}
