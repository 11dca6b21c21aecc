//! A policy run: a language model trained to please a reward model, and judged by others.
//!
//! ```text
//! session   opening and checkpoints       sample    answers to prompts, rewarded
//! state     what a checkpoint keeps       batch     rollouts of a step and their advantages
//! prompts   what is asked, as tokens      update    one pass of learning from them
//! sft       the stage before              pairs     one pass of learning from labeled pairs
//! evaluate  held-out prompts, judged      judge     the policy against its reference
//! ```
//!
//! Checkpoints lie between two steps of the optimizer's loop, where no rollouts are in flight. A resumed run
//! samples the step that it lost again, and draws the same answers, since every token is drawn at its place.

mod batch;
mod evaluate;
mod judge;
mod pairs;
mod prompts;
mod sample;
mod session;
mod sft;
mod state;
mod update;

use super::WorkerError;
use super::control::Flow;
use crate::domain::event::RunEvent;
use crate::domain::policy::run_loop::{PolicyLoop, PolicyOutcome, PolicyStep};
use crate::domain::run_loop::Executor;

pub use prompts::prompt_text;
pub(super) use session::PolicySession;

/// The result of a step's code: `None` when a person asked to stop before the step was done.
type StepResult = Result<Option<PolicyOutcome>, WorkerError>;

impl PolicySession<'_> {
    fn do_step(&mut self, step: PolicyStep) -> StepResult {
        let Self { state, resources, reporter } = self;
        match step {
            PolicyStep::TrainSft => sft::train(state, resources, reporter),
            // They are opened with the session, so that a wrong name is told before the first step.
            PolicyStep::OpenReward => Ok(Some(PolicyOutcome::RewardOpened)),
            PolicyStep::Evaluate { step } => evaluate::evaluate(state, resources, reporter, step),
            PolicyStep::Sample { step } => sample::sample(state, resources, reporter, step),
            PolicyStep::Update { step, epoch } if state.policy.objective.samples() => {
                update::update(state, resources, reporter, step, epoch)
            }
            PolicyStep::Update { step, epoch } => {
                pairs::update(state, resources, reporter, step, epoch)
            }
            PolicyStep::Restore { step } => self.restore(step),
            PolicyStep::Judge { step } => judge::judge(state, reporter, step),
            PolicyStep::Finish { .. } => Ok(None),
        }
    }
}

impl Executor<PolicyLoop> for PolicySession<'_> {
    type Error = WorkerError;

    fn run_loop(&self) -> &PolicyLoop {
        &self.state.saved.stage
    }

    fn is_to_stop(&mut self) -> Result<bool, WorkerError> {
        // The rollouts of a step are not kept, so a step that has them is finished first.
        if self.state.batch.is_some() {
            return Ok(false);
        }
        Ok(self.reporter.read_people(&mut self.state.saved)? == Flow::Stop)
    }

    fn execute(&mut self, step: PolicyStep) -> StepResult {
        tracing::info!("{step}");
        let n_tokens = self.state.saved.n_tokens;
        let outcome = self.do_step(step)?;
        // A step that was broken off is done again from its beginning, and its tokens are counted then; the
        // SFT stage goes on in its middle.
        if outcome.is_none() && step != PolicyStep::TrainSft {
            self.state.saved.n_tokens = n_tokens;
        }
        Ok(outcome)
    }

    fn take(&mut self, step: PolicyStep, outcome: PolicyOutcome) -> Result<(), WorkerError> {
        self.state.saved.stage.on(outcome)?;
        self.after(step)
    }

    fn finish(&mut self, step: PolicyStep) -> Result<(), WorkerError> {
        tracing::info!("{step}");
        let PolicyStep::Finish { reason } = step else { return Ok(()) };
        self.checkpoint("finish")?;
        self.reporter.send(RunEvent::RunFinished { reason })
    }

    fn stop(&mut self) -> Result<(), WorkerError> {
        self.checkpoint("stopped")?;
        self.reporter.send(RunEvent::RunStopped)
    }
}
