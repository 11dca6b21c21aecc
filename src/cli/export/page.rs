//! `--format html`: a report of a run, or of runs side by side.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;

use super::super::{CliError, CliResult, Context};
use super::{Target, say_done};
use crate::analysis;
use crate::analysis::{ComparedRun, ComparisonCache, ComparisonQuery, N_RUNS_MAX, RoundChoice};
use crate::domain::metrics::Split;
use crate::domain::preference::PairId;
use crate::domain::stats::paired::{PairedDifference, PairedOutcomes, accuracy_difference};
use crate::report::{RunPart, report_html};
use crate::store::Store;

/// Points of a loss curve.
const N_LOSS_POINTS: usize = 400;

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
    let query = ComparisonQuery { runs, base: 0, rounds, n_loss_points: N_LOSS_POINTS };
    let comparison = analysis::compare(store, &query, &mut ComparisonCache::default())?;
    let mut parts = Vec::new();
    for (id, run) in query.runs.iter().zip(&comparison.runs) {
        let detail = store.run(id)?;
        let review = store.round_review(id, None)?;
        let samples = match &review {
            Some(review) => {
                store.sampled_pairs(id, review.round, n_samples, detail.row.rng_seed)?
            }
            None => Vec::new(),
        };
        let change = change(store, run)?;
        let audit = review.and_then(|it| it.precision());
        let (verdicts, _) = store.verdicts(id, None)?;
        let panel = store.panel(id)?;
        parts.push(RunPart { detail, audit, change, samples, verdicts, panel });
    }
    let made_at = format!("{:.0}", jiff::Timestamp::now());
    let page = report_html(&comparison, &parts, &made_at);
    target.file(|path| {
        File::create(path)
            .and_then(|mut file| file.write_all(page.as_bytes()).and_then(|()| file.sync_all()))
            .map_err(|error| CliError::io("write", path, &error))
    })?;
    say_done(context, target, "report");
    Ok(())
}

/// Test accuracy of the round that speaks for a run less that of round 0, over their common pairs.
fn change(store: &Store, run: &ComparedRun) -> CliResult<Option<PairedDifference>> {
    let Some(round) = run.round.filter(|round| *round > 0) else { return Ok(None) };
    let id = &run.row.id;
    let before = store.margins(id, 0, Split::Test)?;
    let after: BTreeMap<PairId, f32> =
        store.margins(id, round, Split::Test)?.iter().map(|it| (it.pair, it.margin)).collect();
    let common =
        before.iter().filter_map(|it| Some((it.margin > 0.0, *after.get(&it.pair)? > 0.0)));
    Ok(accuracy_difference(&PairedOutcomes::of(common), run.row.rng_seed))
}
