//! Every action by name: what the help and the palette list, and how typed text finds it.

use super::keymap::Row;
use super::keymap::binding::Context;
use super::keymap::command::{Command, ShowCommand, ViewerCommand};
use super::model::Model;
use super::overlay::CommandList;
use super::refuse::refusal;
use crate::tui::screens::runs::command::RunsCommand;

/// One action of a list.
pub struct Entry {
    pub row: Row,
    /// Why it cannot act now.
    pub refusal: Option<String>,
}

/// Actions used from the palette that it shows first.
const N_RECENT: usize = 5;

/// The actions that match what was typed, in the order shown.
pub fn entries(model: &Model, list: &CommandList) -> Vec<Entry> {
    let wanted = list.field.text().trim().to_lowercase();
    let rows = model.keymap.rows(list.context);
    let mut scored: Vec<(i64, &Row)> = rows
        .filter(|row| list.is_help || !is_motion(row.binding.command))
        .filter_map(|row| Some((score(model, list, row, &wanted)?, row)))
        .collect();
    // Stable: equal scores keep the order of the table.
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    if list.is_help {
        scored.sort_by_key(|(_, row)| group(row.binding.command).0);
    }
    let entry =
        |row: &Row| Entry { row: row.clone(), refusal: refusal(model, row.binding.command) };
    scored.into_iter().map(|(_, row)| entry(row)).collect()
}

/// The group that an action stands in among the keys, by its place, with its heading.
pub fn group(command: Command) -> (u8, &'static str) {
    match command {
        Command::Runs(RunsCommand::Kill) | Command::Worker(_) => (1, "this run"),
        Command::Show(ShowCommand::New | ShowCommand::NewPolicy)
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Launch(_)
        | Command::Policy(_)
        | Command::Judging(_) => (0, "this screen"),
        Command::Undo | Command::Redo | Command::Copy => (2, "undo, copy, export"),
        Command::List(_) => (3, "mark and filter"),
        Command::Move(_) => (4, "move"),
        Command::Pane(_) | Command::Wrap => (5, "view"),
        Command::Show(_) => (6, "go to"),
        Command::Popup(_) => (7, "everywhere"),
        Command::Viewer(command) => match command {
            ViewerCommand::Export => (2, "undo, copy, export"),
            ViewerCommand::Filter => (3, "mark and filter"),
            ViewerCommand::Grow
            | ViewerCommand::Shrink
            | ViewerCommand::Freeze
            | ViewerCommand::Theme
            | ViewerCommand::Mouse
            | ViewerCommand::Redraw => (5, "view"),
            ViewerCommand::Out
            | ViewerCommand::Back
            | ViewerCommand::QuitNow
            | ViewerCommand::Suspend
            | ViewerCommand::Help
            | ViewerCommand::Explain
            | ViewerCommand::Palette => (7, "everywhere"),
        },
    }
}

/// What the titles of lists call a screen.
pub fn screen_words(context: Context) -> &'static str {
    match context {
        Context::Live => "live",
        Context::Samples => "samples",
        Context::Queue => "queue",
        Context::Compare => "compare",
        Context::Launch => "launch",
        Context::Policy => "policy",
        Context::Judging => "judging",
        Context::Runs | Context::Confirm | Context::Choice | Context::Prompt => "runs",
    }
}

/// Notes that an action was used from the palette.
pub fn remember(model: &mut Model, command: Command) {
    model.recent.retain(|earlier| *earlier != command);
    model.recent.insert(0, command);
    model.recent.truncate(N_RECENT);
}

fn score(model: &Model, list: &CommandList, row: &Row, wanted: &str) -> Option<i64> {
    let (title, id) = (row.binding.title.to_lowercase(), row.binding.id);
    if list.is_help {
        let keys = row.keys.iter().any(|key| key.words().to_lowercase() == wanted);
        return (keys || title.contains(wanted) || id.contains(wanted)).then_some(0);
    }
    if wanted.is_empty() {
        let recent = model.recent.iter().position(|command| *command == row.binding.command);
        return Some(recent.map_or(0, |at| (N_RECENT - at) as i64));
    }
    // Both carry what the action is called.
    fuzzy(wanted, &title).max(fuzzy(wanted, id).map(|score| score - 1))
}

/// Moving is what keys are for.
fn is_motion(command: Command) -> bool {
    matches!(command, Command::Move(_) | Command::Viewer(ViewerCommand::Palette))
}

/// How well the letters of `wanted` stand in `text` in their order; `None` when they do not. Runs of
/// letters and beginnings of words count more, late and scattered ones less.
fn fuzzy(wanted: &str, text: &str) -> Option<i64> {
    let text: Vec<char> = text.chars().collect();
    let mut best = None;
    let letters: Vec<char> = wanted.chars().filter(|c| !c.is_whitespace()).collect();
    let first = *letters.first()?;
    for start in (0..text.len()).filter(|at| text[*at] == first) {
        best = best.max(score_from(&letters, &text, start));
    }
    best
}

fn score_from(letters: &[char], text: &[char], start: usize) -> Option<i64> {
    let mut score = -(start as i64) / 4;
    let mut previous = None;
    let mut from = start;
    for letter in letters {
        let at = from + text[from..].iter().position(|c| c == letter)?;
        let begins_word = at == 0 || !text[at - 1].is_alphanumeric();
        score += match previous {
            Some(before) if before + 1 == at => 8,
            _ if begins_word => 6,
            Some(before) => -((at - before) as i64).min(4),
            None => 0,
        };
        previous = Some(at);
        from = at + 1;
    }
    Some(score)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_beat_scattered_letters() {
        let titles = ["pause between two steps", "show or hide the label", "stop after this step"];
        let best = |wanted: &str| {
            let scored = titles.iter().filter_map(|title| Some((fuzzy(wanted, title)?, *title)));
            scored.max_by_key(|(score, _)| *score).map(|(_, title)| title)
        };
        assert_eq!(best("stop"), Some("stop after this step"));
        assert_eq!(best("label"), Some("show or hide the label"));
        assert_eq!(best("pbts"), Some("pause between two steps"));
        assert_eq!(best("zz"), None);
    }
}
