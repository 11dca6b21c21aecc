//! `ser tag`, `note`, `archive` and `star`: what a person keeps about runs.

use crate::cli::print::print_line;
use crate::cli::{CliResult, Context};
use crate::store::RunEdit;

/// Arguments of `ser tag`.
#[derive(Debug, clap::Args)]
pub struct TagArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    /// `+paper` (or `paper`) adds a tag, `-paper` takes it off
    #[arg(required = true, allow_hyphen_values = true, value_name = "±TAG")]
    tags: Vec<String>,
}

/// Arguments of `ser note`.
#[derive(Debug, clap::Args)]
pub struct NoteArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    /// The note; an empty one removes it. Left out: prints the one there is
    text: Option<String>,
}

/// Arguments of `ser archive`.
#[derive(Debug, clap::Args)]
pub struct ArchiveArgs {
    /// Ids, unique prefixes of ids, or names
    #[arg(required = true)]
    runs: Vec<String>,
    /// Put them back into the list
    #[arg(long)]
    undo: bool,
}

/// Arguments of `ser star`.
#[derive(Debug, clap::Args)]
pub struct StarArgs {
    /// The run that others are measured against
    #[arg(required_unless_present = "none")]
    run: Option<String>,
    /// Have no baseline any more
    #[arg(long, conflicts_with = "run")]
    none: bool,
}

/// Adds tags to a run and takes some off.
///
/// # Errors
/// When there is no such run, or a tag is not one word.
pub fn tag(context: &Context, args: &TagArgs) -> CliResult {
    let mut store = context.store_to_write("tag")?;
    let run = store.find_run(&args.run)?;
    let edits: Vec<RunEdit> = args
        .tags
        .iter()
        .map(|tag| match tag.strip_prefix('-') {
            Some(tag) => RunEdit::Untag(run.id.clone(), tag.to_owned()),
            None => {
                let tag = tag.strip_prefix('+').unwrap_or(tag);
                RunEdit::Tag(run.id.clone(), tag.to_owned())
            }
        })
        .collect();
    store.edit_runs(&edits)?;
    let annotation = store.run(&run.id)?.row.annotation;
    let tags = &annotation.tags;
    print_line(&match tags.as_slice() {
        [] => format!("`{}` has no tags", run.name),
        tags => format!("`{}` has the tags {}", run.name, tags.join(" ")),
    })
}

/// Writes, removes or prints the note of a run.
///
/// # Errors
/// When there is no such run, or the note is too long.
pub fn note(context: &Context, args: &NoteArgs) -> CliResult {
    let Some(text) = &args.text else {
        let store = context.store_to_read()?;
        let annotation = store.find_run(&args.run)?.annotation;
        let note = &annotation.note;
        return if note.is_empty() {
            context.say("there is no note");
            Ok(())
        } else {
            print_line(&crate::domain::text::clean::clean_text(note))
        };
    };
    let mut store = context.store_to_write("note")?;
    let run = store.find_run(&args.run)?;
    store.edit_runs(&[RunEdit::Note(run.id, text.clone())])?;
    let what = if text.is_empty() { "has no note any more" } else { "has a new note" };
    print_line(&format!("`{}` {what}", run.name))
}

/// Takes runs out of the list, or puts them back.
///
/// # Errors
/// When there is no such run; then none is archived.
pub fn archive(context: &Context, args: &ArchiveArgs) -> CliResult {
    let mut store = context.store_to_write("archive")?;
    let rows = args.runs.iter().map(|run| store.find_run(run)).collect::<Result<Vec<_>, _>>()?;
    let edit = |id: &crate::domain::run::RunId| RunEdit::Archive(id.clone(), !args.undo);
    let edits: Vec<RunEdit> = rows.iter().map(|row| edit(&row.id)).collect();
    store.edit_runs(&edits)?;
    for row in &rows {
        print_line(&if args.undo {
            format!("`{}` is back in the list", row.name)
        } else {
            format!("`{}` is archived; `ser archive --undo {}` puts it back", row.name, row.id)
        })?;
    }
    Ok(())
}

/// Makes a run the baseline, or leaves none.
///
/// # Errors
/// When there is no such run.
pub fn star(context: &Context, args: &StarArgs) -> CliResult {
    let mut store = context.store_to_write("star")?;
    let row = args.run.as_deref().map(|run| store.find_run(run)).transpose()?;
    store.edit_runs(&[RunEdit::Baseline(row.as_ref().map(|row| row.id.clone()))])?;
    print_line(&match row {
        Some(row) => {
            format!("`{}` is the baseline: `ser runs` measures the others against it", row.name)
        }
        None => "there is no baseline any more".to_owned(),
    })
}
