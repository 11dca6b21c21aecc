//! What finished runs cost, read once a run: a finished run does not change.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::run::{RunId, RunStatus};
use crate::store::{RunRow, Store, StoreError};

use super::data::Costs;
use super::launch::PastRun;

/// Runs an estimate looks at, the newest first.
const N_PAST: usize = 24;

/// Remembers what it has read.
#[derive(Default)]
pub struct CostReader {
    /// `None` for a run that says nothing about costs.
    known: BTreeMap<RunId, Option<PastRun>>,
}

impl CostReader {
    /// The costs of the newest finished runs, and the room that is left.
    pub fn read(&mut self, store: &Store, runs: &[RunRow]) -> Result<Costs, StoreError> {
        let mut finished: Vec<&RunRow> =
            runs.iter().filter(|row| row.status == RunStatus::Finished).collect();
        finished.sort_by_key(|row| std::cmp::Reverse(row.created_at_ms));
        let mut past = Vec::new();
        for row in finished.into_iter().take(N_PAST) {
            if !self.known.contains_key(&row.id) {
                self.known.insert(row.id.clone(), cost_of(store, &row.id)?);
            }
            past.extend(self.known.get(&row.id).cloned().flatten());
        }
        let free = nix::sys::statvfs::statvfs(store.home().root());
        let n_free = free.ok().map(|stat| stat.blocks_available() * stat.fragment_size());
        Ok(Costs { past, n_free })
    }
}

fn cost_of(store: &Store, run: &RunId) -> Result<Option<PastRun>, StoreError> {
    let rounds = store.rounds(run)?;
    let Ok(spec) = serde_json::from_str(&store.run(run)?.spec_json) else { return Ok(None) };
    let complete = rounds.iter().filter_map(|round| round.wall_ms);
    let (n_rounds, wall_ms) = complete.fold((0, 0), |(n, sum), wall_ms| (n + 1, sum + wall_ms));
    let n_bytes = n_bytes_in(&store.home().run_dir(run));
    Ok((n_rounds > 0).then_some(PastRun { spec, n_rounds, wall_ms, n_bytes }))
}

/// Bytes of all files below a folder; what cannot be read counts nothing.
fn n_bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => n_bytes_in(&entry.path()),
        Ok(kind) if kind.is_file() => entry.metadata().map_or(0, |metadata| metadata.len()),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}
