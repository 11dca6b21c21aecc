//! What a person keeps about runs: tags, notes, the archive, the baseline; each can be undone.

use crate::domain::run::RunId;
use crate::store::RunEdit;
use crate::tui::feed::change::{Change, Edited};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose, Then};

/// Decisions that can be taken back.
const N_UNDO: usize = 100;

/// Asks for the tags of the current run.
pub fn ask_tags(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let (run, name) = (row.id.clone(), row.name.clone());
    let (title, tags) = (format!("tags of {name}"), row.annotation.tags.join(" "));
    let prompt = Prompt::new(title, Purpose::Tags { run, name }, &tags);
    model.overlay = Some(Overlay::Prompt(prompt));
}

/// Asks for the note on the current run.
pub fn ask_note(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let (run, name) = (row.id.clone(), row.name.clone());
    let (title, note) = (format!("note on {name}"), row.annotation.note.clone());
    let prompt = Prompt::new(title, Purpose::Note { run, name }, &note);
    model.overlay = Some(Overlay::Prompt(prompt));
}

/// Takes the current run out of the list, or back into it.
pub fn archive(model: &Model) -> Vec<Effect> {
    let Some(row) = model.current() else { return Vec::new() };
    let is_archived = row.annotation.is_archived;
    let what = if is_archived { "back in the list" } else { "archived" };
    decided(format!("{} {what}", row.name), vec![RunEdit::Archive(row.id.clone(), !is_archived)])
}

/// Measures the other runs against the current one, or against none any more.
pub fn star(model: &Model) -> Vec<Effect> {
    let Some(row) = model.current() else { return Vec::new() };
    if row.annotation.is_baseline {
        return decided("no baseline any more".to_owned(), vec![RunEdit::Baseline(None)]);
    }
    let what = format!("{} is the baseline ★", row.name);
    decided(what, vec![RunEdit::Baseline(Some(row.id.clone()))])
}

fn decided(what: String, edits: Vec<RunEdit>) -> Vec<Effect> {
    vec![Effect::Change(Change::EditRuns(Edited::new(what, edits)))]
}

/// Asks before many runs leave the list at once.
pub fn ask_archive_marked(model: &mut Model) {
    let n = model.runs.marked.len();
    let edits = model.runs.marked.iter().map(|run| RunEdit::Archive(run.clone(), true)).collect();
    let edited = Edited::new(format!("{n} runs archived"), edits);
    model.overlay = Some(Overlay::Confirm {
        question: format!("archive the {n} marked runs?"),
        detail: "they leave the list; u takes it back, /is:archived shows them".to_owned(),
        then: Then::Effect(Effect::Change(Change::EditRuns(edited))),
    });
}

/// The words of a prompt are the tags from now on.
pub fn set_tags(model: &Model, run: &RunId, name: &str, text: &str) -> Vec<Effect> {
    let before = model.row(run).map(|row| row.annotation.tags.clone()).unwrap_or_default();
    let after: Vec<&str> = text.split_whitespace().collect();
    let removed = before.iter().filter(|tag| !after.contains(&tag.as_str()));
    let mut edits: Vec<RunEdit> =
        removed.map(|tag| RunEdit::Untag(run.clone(), tag.clone())).collect();
    let added = after.iter().filter(|tag| !before.iter().any(|known| known == *tag));
    edits.extend(added.map(|tag| RunEdit::Tag(run.clone(), (*tag).to_owned())));
    if edits.is_empty() {
        return Vec::new();
    }
    let what = match after.as_slice() {
        [] => format!("{name} has no tags"),
        tags => format!("{name} has the tags {}", tags.join(" ")),
    };
    decided(what, edits)
}

/// The text of a prompt is the note from now on.
pub fn set_note(run: RunId, name: &str, text: &str) -> Vec<Effect> {
    let what = if text.is_empty() { "has no note" } else { "has a new note" };
    decided(format!("{name} {what}"), vec![RunEdit::Note(run, text.to_owned())])
}

/// Takes the last decision back, or takes that back.
pub fn undo(model: &mut Model, is_undo: bool) -> Vec<Effect> {
    let log = if is_undo { &mut model.runs.undo } else { &mut model.runs.redo };
    log.pop().map(|edited| vec![Effect::Change(Change::EditRuns(edited))]).unwrap_or_default()
}

/// An edit was made; `inverse` takes it back.
pub fn edited(model: &mut Model, edited: &Edited, inverse: Vec<RunEdit>) -> Vec<Effect> {
    let back = Edited { edits: inverse, is_undo: !edited.is_undo, ..edited.clone() };
    if edited.is_undo {
        model.runs.redo.push(back);
        return model.say(Tone::Note, format!("undone: {} · Ctrl-r does it again", edited.what));
    }
    model.runs.undo.push(back);
    let n_old = model.runs.undo.len().saturating_sub(N_UNDO);
    model.runs.undo.drain(..n_old);
    model.say(Tone::Note, format!("{} · u takes it back", edited.what))
}
