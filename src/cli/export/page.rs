//! `--format html`: a report of a run, or of runs side by side.

use std::fs::File;
use std::io::Write;

use super::super::{CliError, CliResult, Context};
use super::{Target, say_done};
use crate::analysis::{N_RUNS_MAX, RoundChoice};
use crate::domain::run::RunId;
use crate::report;
use crate::store::Store;

/// Writes the page.
///
/// # Errors
/// When a run is not there, is named twice, or there are too many.
pub fn export(
    context: &Context,
    store: &Store,
    names: &[String],
    rounds: RoundChoice,
    n_samples: usize,
    target: &Target,
) -> CliResult {
    let runs = runs_of(store, names)?;
    let page = report::report_of(store, runs, rounds, n_samples)?;
    write(target, page.as_bytes())?;
    say_done(context, target, "report");
    Ok(())
}

/// The runs that were named, each once.
pub fn runs_of(store: &Store, names: &[String]) -> CliResult<Vec<RunId>> {
    let mut runs = Vec::new();
    for name in names {
        let row = store.find_run(name)?;
        if runs.contains(&row.id) {
            let message = format!("`{}` is named twice", row.name);
            return Err(CliError::input(message).with_hint("name every run once"));
        }
        runs.push(row.id);
    }
    if runs.len() > N_RUNS_MAX {
        let message = format!("{} runs are too many for one report", runs.len());
        return Err(CliError::input(message).with_hint(format!("name at most {N_RUNS_MAX}")));
    }
    Ok(runs)
}

/// Writes a whole file.
pub fn write(target: &Target, contents: &[u8]) -> CliResult {
    target.file(|path| {
        File::create(path)
            .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
            .map_err(|error| CliError::io("write", path, &error))
    })
}
