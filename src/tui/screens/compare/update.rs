//! What keys and messages do on the compare screen.

use crate::domain::run::RunId;
use crate::report::{ComparisonDocument, comparison_csv, comparison_markdown, comparison_svg};
use crate::store::comparison::{DisagreementSplit, N_RUNS_MAX, RoundChoice};

use super::data::CompareData;
use super::keys::CompareCommand as K;
use super::table;
use super::{Compare, Pane};
use crate::report::listing::{Listing, Printed};
use crate::report::table::Form;
use crate::tui::shell::effect::{Contents, Effect};
use crate::tui::shell::keymap::Command;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Prompt, Purpose, Then};
use crate::tui::shell::update::{moved, say, update};

/// Prepares the screen for these runs; the baseline joins them and stands first.
pub fn open(model: &mut Model, mut runs: Vec<RunId>) {
    let baseline = model.runs.baseline().map(|row| row.id.clone());
    if let Some(baseline) = &baseline {
        runs.retain(|run| run != baseline);
        runs.insert(0, baseline.clone());
    }
    // Too few are filled up with the selected run, then with the others as they are listed.
    let selected = model.runs.rows.get(model.runs.cursor).map(AsRef::as_ref);
    for row in selected.into_iter().chain(model.runs.all()) {
        if runs.len() < 2 && !runs.contains(&row.id) {
            runs.push(row.id.clone());
        }
    }
    if runs.len() > N_RUNS_MAX {
        runs.truncate(N_RUNS_MAX);
        say(model, Tone::Note, format!("the first {N_RUNS_MAX} runs are compared"));
    }
    let kept = std::mem::take(&mut model.compare);
    // Cursor and data go; what the person chose to look at stays.
    model.compare = Compare {
        column: 1.min(runs.len().saturating_sub(1)),
        base: baseline.or_else(|| runs.first().cloned()),
        runs,
        row: 0,
        pair: 0,
        arm: 0,
        pane: Pane::Table,
        data: None,
        ..kept
    };
}

/// Prepares the screen for the runs of an experiment, arm by arm.
pub fn open_arms(model: &mut Model, runs: Vec<RunId>) {
    open(model, runs);
    model.compare.pane = Pane::Arms;
}

/// New data.
pub fn take(model: &mut Model, data: Option<CompareData>) {
    let compare = &mut model.compare;
    compare.data = data.map(Box::new);
    let n_pairs = n_pairs(compare);
    compare.pair = compare.pair.min(n_pairs.saturating_sub(1));
    compare.arm = compare.arm.min(n_arms(compare).saturating_sub(1));
    let n_rows = table::n_rows(compare);
    compare.row = compare.row.min(n_rows.saturating_sub(1));
}

fn n_arms(compare: &Compare) -> usize {
    let arms = compare.data.as_ref().and_then(|data| data.arms.as_ref());
    arms.map_or(0, |arms| arms.arms.len())
}

fn n_pairs(compare: &Compare) -> usize {
    let beside = compare.data.as_ref().and_then(|data| data.beside.as_ref());
    beside.map_or(0, |(_, found)| found.pairs.len())
}

/// Does a command, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let compare = &mut model.compare;
    let last = compare.runs.len().saturating_sub(1);
    match command {
        Command::Compare(K::Left) => step(compare, |at| at.saturating_sub(n)),
        Command::Compare(K::Right) => step(compare, |at| at.saturating_add(n)),
        Command::Compare(K::MoveLeft) => move_column(compare, compare.column.saturating_sub(n)),
        Command::Compare(K::MoveRight) => move_column(compare, (compare.column + n).min(last)),
        Command::Compare(K::Base) => compare.base = compare.selected().cloned(),
        Command::Compare(K::OnlyDifferent) => compare.shows_all = !compare.shows_all,
        Command::Compare(K::Normalize) => compare.is_normalized = !compare.is_normalized,
        Command::Compare(K::Axis) => compare.axis = compare.axis.next(),
        Command::Compare(K::Metric) => compare.metric = compare.metric.next(),
        Command::Compare(K::Rounds) => {
            compare.rounds = match compare.rounds {
                RoundChoice::Last => RoundChoice::Best,
                RoundChoice::Best => RoundChoice::Last,
            };
        }
        Command::Compare(K::Resort) => resort(compare),
        Command::Compare(K::Drop) => {
            compare.runs.remove(compare.column);
            compare.column = compare.column.min(last.saturating_sub(1));
        }
        Command::Compare(K::Arms) => {
            compare.pane = if compare.pane == Pane::Arms { Pane::Table } else { Pane::Arms };
        }
        Command::Compare(K::OpenPair) => return open_pair(model),
        Command::Compare(K::Export) => open_export(model),
        Command::Copy => open_copy(model),
        Command::Zoom => compare.is_zoomed = !compare.is_zoomed,
        Command::NextPane | Command::PreviousPane => {
            compare.pane = match (compare.pane, command) {
                (Pane::Table, Command::NextPane) | (Pane::Arms, Command::PreviousPane) => {
                    Pane::Pairs
                }
                (Pane::Pairs, Command::NextPane) | (Pane::Table, _) => Pane::Arms,
                (Pane::Arms | Pane::Pairs, _) => Pane::Table,
            };
        }
        _ => move_cursor(model, command, n),
    }
    let n_rows = table::n_rows(&model.compare);
    model.compare.row = model.compare.row.min(n_rows.saturating_sub(1));
    Vec::new()
}

fn move_cursor(model: &mut Model, command: Command, n: usize) {
    match model.compare.pane {
        Pane::Table => {
            let n_rows = table::n_rows(&model.compare);
            model.compare.row = moved(model, command, model.compare.row, n_rows, n);
        }
        Pane::Pairs => {
            let n_pairs = n_pairs(&model.compare);
            model.compare.pair = moved(model, command, model.compare.pair, n_pairs, n);
        }
        Pane::Arms => {
            let n_arms = n_arms(&model.compare);
            model.compare.arm = moved(model, command, model.compare.arm, n_arms, n);
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
    let Some(data) = &model.compare.data else { return Vec::new() };
    let Some((index, found)) = &data.beside else { return Vec::new() };
    let Some(pair) = found.pairs.get(model.compare.pair) else { return Vec::new() };
    if pair.split == DisagreementSplit::Test {
        let words = "a test pair decides nothing: only pool pairs are reviewed";
        return say(model, Tone::Refused, words);
    }
    let run = data.comparison.runs.get(*index).map(|run| run.row.id.clone());
    let (round, pair) = (Some(pair.other.round), Some(pair.pair));
    match run {
        Some(run) => update(model, Message::OpenSamples { run, round, pair }),
        None => Vec::new(),
    }
}

/// Marks the runs of the selected arm in the runs list.
fn mark_arm(model: &mut Model) -> Vec<Effect> {
    let arms = model.compare.data.as_ref().and_then(|data| data.arms.as_ref());
    let Some(arm) = arms.and_then(|arms| arms.arms.get(model.compare.arm)) else {
        return Vec::new();
    };
    let (runs, what) = (arm.runs.clone(), arm.arm.clone());
    update(model, Message::MarkRuns { runs, what })
}

fn open_copy(model: &mut Model) {
    let Some(data) = &model.compare.data else { return };
    let ids: Vec<String> = data.comparison.runs.iter().map(|run| run.row.id.to_string()).collect();
    let base = &data.comparison.runs[data.comparison.base].row.id;
    let command = format!("ser compare {} --base {base}", ids.join(" "));
    let item = |key: char, label: &str, detail: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: detail.to_owned(),
        then: Then::Effect(Effect::Copy { what: label.to_owned(), text }),
    };
    let markdown = comparison_markdown(&data.comparison);
    let mut items = vec![
        item('m', "Markdown", "the table of what differs", markdown),
        item('c', "command", &command, command.clone()),
        item('y', "ids", "of the runs", ids.join(" ")),
    ];
    if data.arms.is_some() {
        let listing = Listing::Compared { runs: model.compare.runs.clone() };
        let printed = Printed { listing, form: Form::Markdown };
        let what = "the arms as Markdown".to_owned();
        items.push(ChoiceItem {
            key: Some('a'),
            label: "arms".to_owned(),
            detail: "what ser compare --md prints of them".to_owned(),
            then: Then::Effect(Effect::CopyPrinted { what, printed }),
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
        then: Then::Message(Box::new(Message::AskName {
            name: name.to_owned(),
            contents: Contents::Text(contents),
        })),
    };
    let items = vec![
        item('m', "compare.md", "the table of what differs", comparison_markdown(comparison)),
        item('c', "compare.csv", "every metric and difference", comparison_csv(comparison)),
        item('j', "compare.json", "as ser compare --json prints it", json),
        item(
            's',
            "compare.svg",
            "the curves",
            comparison_svg(comparison, compare.metric, compare.axis),
        ),
    ];
    model.overlay = Some(Overlay::Choice(Choice { title: "export".to_owned(), items, cursor: 0 }));
}

/// Asks for the name of a file to write.
pub fn ask_name(model: &mut Model, name: &str, contents: Contents) -> Vec<Effect> {
    let prompt = Prompt::new("write to", Purpose::Save { contents }, name);
    model.overlay = Some(Overlay::Prompt(prompt));
    Vec::new()
}

/// Why a command cannot act now.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let compare = &model.compare;
    let reads =
        matches!(command, Command::Copy | Command::Compare(K::Export | K::Resort | K::OpenPair));
    if compare.runs.is_empty() {
        let acts = matches!(command, Command::Compare(_) | Command::Copy | Command::Zoom);
        return acts.then(|| "nothing to compare: mark runs with Space, then c".to_owned());
    }
    if reads && compare.data.is_none() {
        return Some("the runs are still being read".to_owned());
    }
    match command {
        Command::Compare(K::Drop) if compare.runs.len() <= 1 => {
            Some("the last run stays".to_owned())
        }
        Command::Compare(K::Base) if compare.selected() == compare.base() => {
            Some("this run is the base already".to_owned())
        }
        Command::Compare(K::OpenPair) if compare.pane == Pane::Arms && n_arms(compare) == 0 => {
            Some("the arms are still being read".to_owned())
        }
        Command::Compare(K::OpenPair) if compare.pane == Pane::Pairs && n_pairs(compare) == 0 => {
            Some("these runs agree on every common pair".to_owned())
        }
        _ => None,
    }
}
