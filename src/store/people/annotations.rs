//! The annotations that people keep about a run: tags, a note, the archive, and which run is the
//! baseline.
//!
//! Every edit returns the edits that take it back, so a viewer can undo without remembering more
//! than that.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::Serialize;

use crate::domain::run::RunId;
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::{Store, keys};

/// Longest tag, in characters; a longer one does not fit a list.
const TAG_LENGTH_MAX: usize = 32;
/// Longest note, in characters; a longer text is better kept in a file.
const NOTE_LENGTH_MAX: usize = 2_000;

/// What people keep about one run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Annotation {
    /// In alphabetical order.
    pub tags: Vec<String>,
    /// Free text; empty when there is none.
    pub note: String,
    /// Kept out of the list unless asked for.
    pub is_archived: bool,
    /// The run that others are measured against.
    pub is_baseline: bool,
}

/// A change of what is kept about runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEdit {
    Tag(RunId, String),
    /// Takes a tag off.
    Untag(RunId, String),
    /// Replaces the note; an empty one removes it.
    Note(RunId, String),
    /// Takes a run out of the list, or puts it back.
    Archive(RunId, bool),
    /// Makes a run the baseline, or leaves none.
    Baseline(Option<RunId>),
}

impl Store {
    /// Makes all edits or none; returns those that take them back, in the order to apply them.
    ///
    /// # Errors
    /// When there is no such run, or a tag or note is not fit to be kept.
    pub fn edit_runs(&mut self, edits: &[RunEdit]) -> Result<Vec<RunEdit>, StoreError> {
        self.write(|transaction| {
            let mut inverse = Vec::new();
            for edit in edits {
                inverse.extend(apply(transaction, edit)?);
            }
            inverse.reverse();
            Ok(inverse)
        })
    }
}

/// Applies one edit and returns the edit that reverts it; `None` when nothing changed.
fn apply(transaction: &Transaction<'_>, edit: &RunEdit) -> Result<Option<RunEdit>, StoreError> {
    Ok(match edit {
        RunEdit::Tag(run, tag) => {
            check_tag(tag)?;
            let key = keys::run(transaction, run)?;
            let sql = "INSERT OR IGNORE INTO tags (run, tag) VALUES (?1, ?2)";
            let n = transaction.prepare_cached(sql)?.execute((key, tag))?;
            (n > 0).then(|| RunEdit::Untag(run.clone(), tag.clone()))
        }
        RunEdit::Untag(run, tag) => {
            let key = keys::run(transaction, run)?;
            let sql = "DELETE FROM tags WHERE run = ?1 AND tag = ?2";
            let n = transaction.prepare_cached(sql)?.execute((key, tag))?;
            (n > 0).then(|| RunEdit::Tag(run.clone(), tag.clone()))
        }
        RunEdit::Note(run, note) => {
            check_note(note)?;
            let key = keys::run(transaction, run)?;
            let before = annotation(transaction, key)?.note;
            let sql = "INSERT INTO annotations (run, note) VALUES (?1, ?2)
                       ON CONFLICT (run) DO UPDATE SET note = excluded.note";
            transaction.prepare_cached(sql)?.execute((key, note))?;
            (before != *note).then(|| RunEdit::Note(run.clone(), before))
        }
        RunEdit::Archive(run, is_archived) => {
            let key = keys::run(transaction, run)?;
            let before = annotation(transaction, key)?.is_archived;
            let at_ms = is_archived.then(now_ms);
            let sql = "INSERT INTO annotations (run, archived_at_ms) VALUES (?1, ?2)
                       ON CONFLICT (run) DO UPDATE SET archived_at_ms = excluded.archived_at_ms";
            transaction.prepare_cached(sql)?.execute((key, at_ms))?;
            (before != *is_archived).then(|| RunEdit::Archive(run.clone(), before))
        }
        RunEdit::Baseline(run) => {
            let before = baseline(transaction)?;
            transaction.execute("DELETE FROM baseline", [])?;
            if let Some(run) = run {
                let key = keys::run(transaction, run)?;
                transaction.execute("INSERT INTO baseline (slot, run) VALUES (1, ?1)", [key])?;
            }
            (before != *run).then_some(RunEdit::Baseline(before))
        }
    })
}

fn baseline(connection: &Connection) -> Result<Option<RunId>, StoreError> {
    let sql = "SELECT id FROM runs JOIN baseline ON baseline.run = runs.key";
    let id = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(id.map(RunId))
}

/// What is kept about one run.
pub(in crate::store) fn annotation(
    connection: &Connection,
    key: i64,
) -> Result<Annotation, StoreError> {
    let kept: Option<(String, bool)> = connection
        .prepare_cached("SELECT note, archived_at_ms IS NOT NULL FROM annotations WHERE run = ?1")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (note, is_archived) = kept.unwrap_or_default();
    let mut statement =
        connection.prepare_cached("SELECT tag FROM tags WHERE run = ?1 ORDER BY tag")?;
    let tags = statement.query_map([key], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let is_baseline =
        connection.prepare_cached("SELECT 1 FROM baseline WHERE run = ?1")?.exists([key])?;
    Ok(Annotation { tags, note, is_archived, is_baseline })
}

/// What is kept about every run that has anything kept, by key. Most runs have nothing: this is
/// far less than a join for each of them.
pub(in crate::store) fn by_run(
    connection: &Connection,
) -> Result<HashMap<i64, Annotation>, StoreError> {
    let mut all: HashMap<i64, Annotation> = HashMap::new();
    let mut statement = connection
        .prepare_cached("SELECT run, note, archived_at_ms IS NOT NULL FROM annotations")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kept = all.entry(row.get(0)?).or_default();
        (kept.note, kept.is_archived) = (row.get(1)?, row.get(2)?);
    }
    let mut statement = connection.prepare_cached("SELECT run, tag FROM tags ORDER BY run, tag")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().tags.push(row.get(1)?);
    }
    let mut statement = connection.prepare_cached("SELECT run FROM baseline")?;
    if let Some(row) = statement.query([])?.next()? {
        all.entry(row.get(0)?).or_default().is_baseline = true;
    }
    Ok(all)
}

fn check_tag(tag: &str) -> Result<(), StoreError> {
    let is_fit = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let reason = if tag.is_empty() {
        "it is empty"
    } else if tag.chars().count() > TAG_LENGTH_MAX {
        "it is longer than 32 characters"
    } else if !tag.chars().all(is_fit) {
        "it holds other characters than letters, digits, `-`, `_` and `.`"
    } else if !tag.starts_with(char::is_alphanumeric) {
        "it does not begin with a letter or digit"
    } else {
        return Ok(());
    };
    Err(StoreError::BadTag { tag: tag.to_owned(), reason })
}

fn check_note(note: &str) -> Result<(), StoreError> {
    if note.chars().count() > NOTE_LENGTH_MAX {
        return Err(StoreError::BadNote { reason: "it is longer than 2,000 characters" });
    }
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(StoreError::BadNote { reason: "it holds control characters" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[test]
    fn every_edit_is_seen_in_the_list_and_taken_back() {
        let mut fixture = testing::store();
        let (first, second) = (fixture.run("a"), fixture.run("b"));
        let kept = |store: &Store, run: &RunId| store.run(run).unwrap().row.annotation;
        let edits = [
            RunEdit::Tag(first.clone(), "paper".into()),
            RunEdit::Tag(first.clone(), "best-1".into()),
            RunEdit::Tag(first.clone(), "paper".into()),
            RunEdit::Note(first.clone(), "higher\nrate".into()),
            RunEdit::Archive(second.clone(), true),
            RunEdit::Baseline(Some(first.clone())),
            RunEdit::Baseline(Some(second.clone())),
            RunEdit::Untag(first.clone(), "paper".into()),
            RunEdit::Untag(second.clone(), "never".into()),
        ];
        let inverse = fixture.store.edit_runs(&edits).unwrap();
        let first_kept = kept(&fixture.store, &first);
        assert_eq!(first_kept.tags, ["best-1"]);
        assert_eq!((first_kept.note.as_str(), first_kept.is_baseline), ("higher\nrate", false));
        let second_kept = kept(&fixture.store, &second);
        assert!(second_kept.is_archived && second_kept.is_baseline);
        for row in fixture.store.runs().unwrap() {
            assert_eq!(row.annotation, kept(&fixture.store, &row.id), "the list says the same");
        }
        let again = fixture.store.edit_runs(&inverse).unwrap();
        for run in [&first, &second] {
            assert_eq!(*kept(&fixture.store, run), Annotation::default());
        }
        fixture.store.edit_runs(&again).unwrap();
        assert_eq!(kept(&fixture.store, &first), first_kept);
        assert_eq!(kept(&fixture.store, &second), second_kept);
    }

    #[test]
    fn unfit_tags_and_notes_change_nothing() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        for bad in ["", "two words", "-x", "\u{1b}[31m", &"x".repeat(33)] {
            let edits =
                [RunEdit::Note(run.clone(), "x".into()), RunEdit::Tag(run.clone(), bad.into())];
            let error = fixture.store.edit_runs(&edits).unwrap_err();
            assert!(matches!(error, StoreError::BadTag { .. }) && error.hint().is_some());
        }
        let note = RunEdit::Note(run.clone(), "\u{7}".into());
        let error = fixture.store.edit_runs(&[note]).unwrap_err();
        assert_eq!(error.to_string(), "this is not a note: it holds control characters");
        assert_eq!(*fixture.store.run(&run).unwrap().row.annotation, Annotation::default());
        let gone = RunEdit::Baseline(Some(RunId("rnothing".into())));
        assert!(fixture.store.edit_runs(&[gone]).is_err());
    }

    #[test]
    fn a_deleted_baseline_leaves_none() {
        let mut fixture = testing::store();
        let (first, second) = (fixture.run("a"), fixture.run("b"));
        fixture.store.edit_runs(&[RunEdit::Baseline(Some(first.clone()))]).unwrap();
        fixture.store.delete_run(&first).unwrap();
        let rows = fixture.store.runs().unwrap();
        assert!(rows.iter().all(|row| !row.annotation.is_baseline));
        assert!(fixture.store.edit_runs(&[RunEdit::Baseline(Some(second))]).is_ok());
    }
}
