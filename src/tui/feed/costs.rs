//! The costs of finished runs. Each run is read once, because a finished run does not change.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::domain::forecast::Sizes;
use crate::domain::run::{RunId, RunStatus};
use crate::store::{Home, RunRow, Store, StoreError};

use super::data::{Costs, PastRun};
use crate::launch::{MemoryNeed, memory_need, presets};
use crate::spec::form;

/// Runs an estimate looks at, the newest first.
const N_PAST: usize = 24;

/// Remembers what it has read.
#[derive(Default)]
pub struct CostReader {
    /// `None` for a run that says nothing about costs.
    known: BTreeMap<RunId, Option<PastRun>>,
    /// The spec that was planned last: opening its model takes milliseconds.
    planned: Option<(String, Option<MemoryNeed>)>,
}

impl CostReader {
    /// The costs of the newest finished runs, the room that is left, and the memory of the spec file
    /// that is to run next.
    pub fn read(
        &mut self,
        store: &Store,
        runs: &[Arc<RunRow>],
        planned: Option<&String>,
    ) -> Result<Costs, StoreError> {
        let mut finished: Vec<&RunRow> = runs.iter().map(AsRef::as_ref).collect();
        finished.retain(|row| row.status == RunStatus::Finished);
        finished.sort_by_key(|row| std::cmp::Reverse(row.created_at_ms));
        let mut past = Vec::new();
        for row in finished.into_iter().take(N_PAST) {
            if !self.known.contains_key(&row.id) {
                self.known.insert(row.id.clone(), cost_of(store, &row.id)?);
            }
            past.extend(self.known.get(&row.id).cloned().flatten());
        }
        let n_free = n_free(store.home().root());
        let memory = planned.and_then(|text| self.plan(text, &past));
        Ok(Costs { past, n_free, memory, presets: presets::read(store.home()) })
    }

    /// The same before there is a database: nothing was run yet.
    pub fn first(&mut self, home: &Home, planned: Option<&String>) -> Costs {
        let memory = planned.and_then(|text| self.plan(text, &[]));
        // The home is created by the first run; until then the free space is that of the nearest
        // existing folder above it.
        let mut place = home.root();
        while let (false, Some(parent)) = (place.exists(), place.parent()) {
            place = parent;
        }
        Costs { past: Vec::new(), n_free: n_free(place), memory, presets: presets::read(home) }
    }

    fn plan(&mut self, text: &str, past: &[PastRun]) -> Option<MemoryNeed> {
        if let Some((known, need)) = &self.planned
            && known == text
        {
            return *need;
        }
        // What a policy needs beside its weights is not planned yet: no number is better than a wrong one.
        let spec = form::check(Some(text), &[], &[]).ok().filter(|it| it.policy.is_none())?;
        // Without a run on the same pairs their number is unknown; it changes the plan little.
        let same = past.iter().find(|run| run.spec.data.source == spec.data.source);
        let need = memory_need(&spec, same.map_or(0, |run| run.sizes.n_pairs()));
        self.planned = Some((text.to_owned(), need));
        need
    }
}

/// Free bytes at a place.
fn n_free(place: &Path) -> Option<u64> {
    let stat = nix::sys::statvfs::statvfs(place).ok()?;
    Some(stat.blocks_available() * stat.fragment_size())
}

fn cost_of(store: &Store, run: &RunId) -> Result<Option<PastRun>, StoreError> {
    let rounds = store.rounds(run)?;
    let detail = store.run(run)?;
    let Ok(spec) = serde_json::from_str(&detail.spec_json) else { return Ok(None) };
    let Some(sizes) = detail.sizes.map(Sizes::from) else { return Ok(None) };
    let complete = rounds.iter().filter_map(|round| round.wall_ms);
    let (n_rounds, wall_ms) = complete.fold((0, 0), |(n, sum), wall_ms| (n + 1, sum + wall_ms));
    let n_bytes = n_bytes_in(&store.home().run_dir(run));
    Ok((n_rounds > 0).then_some(PastRun { spec, sizes, n_rounds, wall_ms, n_bytes }))
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
