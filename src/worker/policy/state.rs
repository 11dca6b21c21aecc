//! The state of a policy run: its spec, what a checkpoint keeps beside the weights, and the rollouts in
//! flight.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::batch::StepBatch;
use crate::domain::event::RunEvent;
use crate::domain::policy::metric::Metrics;
use crate::domain::policy::run_loop::{PolicyLoop, PolicyStep};
use crate::domain::policy::settings::PolicySpec;
use crate::domain::policy::sign::{EvaluationSeen, Sign, StepSeen};
use crate::domain::policy::veto::RolloutVetoes;
use crate::domain::run::RunId;
use crate::domain::spec::ExperimentSpec;
use crate::worker::WorkerError;
use crate::worker::reporter::{Reporter, StepClock, TakesDecisions};

/// Where a policy run is, and what it is to do.
pub struct PolicyState {
    pub run: RunId,
    pub spec: ExperimentSpec,
    pub policy: PolicySpec,
    /// What every checkpoint keeps.
    pub saved: PolicySaved,
    /// The rollouts of the step under way.
    pub batch: Option<StepBatch>,
    /// The metrics of the passes over them so far.
    pub passes: Vec<Metrics>,
    /// Runs since the step under way began.
    pub clock: Option<StepClock>,
}

/// What a checkpoint of a policy run keeps beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySaved {
    pub stage: PolicyLoop,
    /// Optimizer steps of the SFT stage that are done.
    pub n_sft_steps: u64,
    /// Optimizer steps of the policy itself.
    pub n_updates: u64,
    /// `n_updates` at the newest checkpoint.
    pub n_updates_saved: u64,
    /// Numbers the names of checkpoints.
    pub n_checkpoints: u64,
    /// Tokens of prompts and answers so far.
    pub n_tokens: u64,
    pub last_veto_id: i64,
    pub vetoes: RolloutVetoes,
    /// The steps at both ends of the series.
    pub steps: Vec<StepSeen>,
    pub evaluations: Vec<SavedEvaluation>,
    /// The signs that the last look saw.
    pub signs: BTreeSet<Sign>,
    /// The evaluation with the highest mean of the judge's scores, and the checkpoint of its weights.
    pub best: Option<(u32, String)>,
}

/// An evaluation as the verdict needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedEvaluation {
    pub seen: EvaluationSeen,
    /// Tokens of the answer to each prompt.
    pub n_tokens: Vec<u32>,
}

impl PolicySaved {
    /// The state of a run that has not begun.
    #[must_use]
    pub fn new(stage: PolicyLoop) -> Self {
        Self {
            stage,
            n_sft_steps: 0,
            n_updates: 0,
            n_updates_saved: 0,
            n_checkpoints: 0,
            n_tokens: 0,
            last_veto_id: 0,
            vetoes: RolloutVetoes::default(),
            steps: Vec::new(),
            evaluations: Vec::new(),
            signs: BTreeSet::new(),
            best: None,
        }
    }

    /// The step under way, or the one that was taken last.
    #[must_use]
    pub fn step(&self) -> u32 {
        match crate::domain::run_loop::RunLoop::pending(&self.stage) {
            PolicyStep::TrainSft | PolicyStep::OpenReward => 0,
            PolicyStep::Evaluate { step }
            | PolicyStep::Sample { step }
            | PolicyStep::Update { step, .. }
            | PolicyStep::Restore { step }
            | PolicyStep::Judge { step } => step,
            PolicyStep::Finish { .. } => self.evaluations.last().map_or(0, |it| it.seen.step),
        }
    }
}

impl TakesDecisions for PolicySaved {
    fn read_decisions(&mut self, reporter: &Reporter<'_>) -> Result<(), WorkerError> {
        let before = self.last_veto_id;
        let last_id = reporter.record.read_rollout_vetoes_after(before, &mut self.vetoes)?;
        if last_id == before {
            return Ok(());
        }
        self.last_veto_id = last_id;
        let (step, n_vetoed) = (self.step(), self.vetoes.n() as u64);
        reporter.send(RunEvent::RolloutVetoesRead { step, last_id, n_vetoed })
    }
}
