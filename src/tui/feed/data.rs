//! What the data thread hands to the model: store rows whose texts are already harmless.

use std::sync::Arc;

use crate::domain::event::SelectionSummary;
use crate::domain::forecast::{Forecast, Sizes};
use crate::domain::preference::Side;
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::RunId;
use crate::domain::spec::ExperimentSpec;
use crate::domain::text::clean::clean_line;
use crate::launch::MemoryNeed;
use crate::launch::presets::Preset;
use crate::store::rows::{EventLine, LossPoint, RoundRow, RunDetail, RunRow, SampledPair};

use super::clean::{clean_pair, clean_row};
use super::compare::{CompareData, CompareInterest};
use super::policy::{Answers, JudgingInterest, PolicyData};
use super::resources::Resources;
use crate::tui::kit::words::{LogLine, log_lines};

/// What the data thread should read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// The run whose details a screen shows.
    pub run: Option<RunId>,
    /// Whether its curves and sampled pairs are shown too.
    pub live: bool,
    /// Which answers of a policy are shown, where they are.
    pub answers: Option<Answers>,
    /// Which games of it a person judges.
    pub judging: Option<JudgingInterest>,
    /// The run behind those curves.
    pub ghost: Option<RunId>,
    /// What finished runs cost, for the estimate of the next one.
    pub costs: bool,
    /// The spec file of the next one, whose memory is planned.
    pub planned: Option<String>,
    /// What the compare screen shows, while it is shown.
    pub compare: Option<CompareInterest>,
}

/// Everything the current screen needs, read at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Milliseconds since 1970.
    pub at_ms: i64,
    /// All runs; `None` where they are those of the snapshot before. Ten thousand of them are kept
    /// once, however they are sorted and filtered.
    pub runs: Option<Vec<Arc<RunRow>>>,
    /// The run asked for, where it exists.
    pub run: Option<RunData>,
    /// The run behind its curves, where one was asked for.
    pub ghost: Option<Ghost>,
    /// What finished runs cost, where it was asked for.
    pub costs: Option<Costs>,
    /// The comparison asked for, where a run of it exists.
    pub compare: Option<CompareData>,
}

/// A run behind the curves of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Ghost {
    pub run: RunId,
    /// Its rounds, in order.
    pub rounds: Vec<RoundRow>,
    /// Its train loss, thinned.
    pub loss: Vec<LossPoint>,
}

impl Ghost {
    /// Its latest selection and the round of it.
    pub fn selection(&self) -> Option<(u32, &SelectionSummary)> {
        let mut rounds = self.rounds.iter().rev();
        rounds.find_map(|round| Some((round.round, round.selection.as_ref()?)))
    }
}

/// What the estimate of a launch rests on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Costs {
    pub past: Vec<PastRun>,
    /// Free bytes where runs are kept.
    pub n_free: Option<u64>,
    /// What the planned run needs in memory.
    pub memory: Option<MemoryNeed>,
    /// Specs kept under a name.
    pub presets: Vec<Preset>,
}

/// What a finished run cost.
#[derive(Debug, Clone, PartialEq)]
pub struct PastRun {
    pub spec: ExperimentSpec,
    /// How its data were divided.
    pub sizes: Sizes,
    /// Complete rounds, round 0 included.
    pub n_rounds: u64,
    /// Wall time of those rounds, milliseconds.
    pub wall_ms: u64,
    /// Bytes its folder takes.
    pub n_bytes: u64,
}

impl Snapshot {
    /// A snapshot of rows as the store returned them.
    #[cfg(test)]
    pub fn new(at_ms: i64, runs: Vec<RunRow>, run: Option<RunData>) -> Self {
        let runs = Some(runs.into_iter().map(|row| Arc::new(clean_row(row))).collect());
        Self { at_ms, runs, run, ..Self::default() }
    }
}

/// One run in detail.
#[derive(Debug, Clone, PartialEq)]
pub struct RunData {
    /// The run as a whole.
    pub detail: RunDetail,
    /// Its spec, where this version can read it.
    pub spec: Option<ExperimentSpec>,
    /// Its rounds, in order.
    pub rounds: Vec<RoundRow>,
    /// Whether the curves and sampled pairs were read too.
    pub has_curves: bool,
    /// The train loss, thinned.
    pub loss: Vec<LossPoint>,
    /// One step of so many was read for it.
    pub loss_stride: u64,
    /// The event log, oldest first.
    pub log: Vec<LogLine>,
    /// Pairs of the latest selection.
    pub sampled: Vec<SampledPair>,
    /// What its worker takes, where that can be known.
    pub resources: Option<Resources>,
    /// When it will end, where that can be foretold.
    pub forecast: Option<Forecast>,
    /// What only a policy run has.
    pub policy: Option<PolicyData>,
}

impl RunData {
    /// A run's rows as the store returned them.
    pub fn new(
        mut detail: RunDetail,
        rounds: Vec<RoundRow>,
        loss: Vec<LossPoint>,
        events: &[EventLine],
        sampled: Vec<SampledPair>,
    ) -> Self {
        let spec = serde_json::from_str(&detail.spec_json).ok();
        detail.row = clean_row(detail.row);
        detail.checkpoint = detail.checkpoint.as_deref().map(clean_line);
        detail.model = detail.model.as_deref().map(clean_line);
        Self {
            detail,
            spec,
            rounds,
            has_curves: true,
            loss,
            loss_stride: 1,
            log: log_lines(events),
            sampled: sampled.into_iter().map(clean_pair).collect(),
            resources: None,
            forecast: None,
            policy: None,
        }
    }

    /// The latest selection and its round.
    pub fn selection(&self) -> Option<(u32, &SelectionSummary)> {
        self.selections().next()
    }

    /// Every selection and its round, the latest first.
    pub fn selections(&self) -> impl Iterator<Item = (u32, &SelectionSummary)> {
        let rounds = self.rounds.iter().rev();
        rounds.filter_map(|round| Some((round.round, round.selection.as_ref()?)))
    }
}

/// The rewards of a sampled pair as a score.
pub fn score_of(pair: &SampledPair) -> PairScore {
    PairScore { pair: pair.pair, reward_a: pair.reward_a, reward_b: pair.reward_b }
}

/// The side that the model prefers; `None` for equal rewards.
pub fn preferred_side(pair: &SampledPair) -> Option<Side> {
    score_of(pair).pseudo_label().map(|label| label.preferred)
}
