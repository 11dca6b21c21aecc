//! What a person keeps about runs: tags, notes, the archive, the baseline; each can be undone.

use crate::domain::run::RunId;
use crate::store::RunEdit;

use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::Command;
use crate::tui::shell::model::{Edited, Model, Tone};
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose, Then};
use crate::tui::shell::update::say;

/// Decisions that can be taken back.
const N_UNDO: usize = 100;

/// Does a command that changes what is kept about the current run.
pub fn on_command(model: &mut Model, command: Command) -> Vec<Effect> {
    let Some(row) = model.current() else { return Vec::new() };
    let (run, name, kept) = (row.id.clone(), row.name.clone(), row.annotation.clone());
    match command {
        Command::Tag => {
            let title = format!("tags of {name}");
            let prompt = Prompt::new(title, Purpose::Tags { run, name }, &kept.tags.join(" "));
            model.overlay = Some(Overlay::Prompt(prompt));
            Vec::new()
        }
        Command::Note => {
            let title = format!("note on {name}");
            let prompt = Prompt::new(title, Purpose::Note { run, name }, &kept.note);
            model.overlay = Some(Overlay::Prompt(prompt));
            Vec::new()
        }
        Command::Archive => {
            let what = if kept.is_archived { "back in the list" } else { "archived" };
            let edit = RunEdit::Archive(run, !kept.is_archived);
            vec![Effect::EditRuns(Edited::new(format!("{name} {what}"), vec![edit]))]
        }
        Command::ArchiveMarked => archive_marked(model),
        Command::Star if kept.is_baseline => {
            let what = "no baseline any more".to_owned();
            vec![Effect::EditRuns(Edited::new(what, vec![RunEdit::Baseline(None)]))]
        }
        Command::Star => {
            let what = format!("{name} is the baseline ★");
            vec![Effect::EditRuns(Edited::new(what, vec![RunEdit::Baseline(Some(run))]))]
        }
        _ => Vec::new(),
    }
}

/// Many at once: asks with their number.
fn archive_marked(model: &mut Model) -> Vec<Effect> {
    let n = model.runs.marked.len();
    let edits = model.runs.marked.iter().map(|run| RunEdit::Archive(run.clone(), true)).collect();
    model.overlay = Some(Overlay::Confirm {
        question: format!("archive the {n} marked runs?"),
        detail: "they leave the list; u takes it back, /is:archived shows them".to_owned(),
        then: Then::Effect(Effect::EditRuns(Edited::new(format!("{n} runs archived"), edits))),
    });
    Vec::new()
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
    vec![Effect::EditRuns(Edited::new(what, edits))]
}

/// The text of a prompt is the note from now on.
pub fn set_note(run: RunId, name: &str, text: &str) -> Vec<Effect> {
    let what = if text.is_empty() { "has no note" } else { "has a new note" };
    vec![Effect::EditRuns(Edited::new(
        format!("{name} {what}"),
        vec![RunEdit::Note(run, text.to_owned())],
    ))]
}

/// Takes the last decision back, or takes that back.
pub fn undo(model: &mut Model, command: Command) -> Vec<Effect> {
    let log = if command == Command::Undo { &mut model.runs.undo } else { &mut model.runs.redo };
    log.pop().map(|edited| vec![Effect::EditRuns(edited)]).unwrap_or_default()
}

/// An edit was made; `inverse` takes it back.
pub fn edited(model: &mut Model, edited: &Edited, inverse: Vec<RunEdit>) -> Vec<Effect> {
    let back = Edited { edits: inverse, is_undo: !edited.is_undo, ..edited.clone() };
    if edited.is_undo {
        model.runs.redo.push(back);
        return say(model, Tone::Note, format!("undone: {} · Ctrl-r does it again", edited.what));
    }
    model.runs.undo.push(back);
    let n_old = model.runs.undo.len().saturating_sub(N_UNDO);
    model.runs.undo.drain(..n_old);
    say(model, Tone::Note, format!("{} · u takes it back", edited.what))
}
