//! The interface between a run of any kind and its worker: a loop that names the next step and
//! takes the outcome of that step.
//!
//! A loop does nothing itself. [`drive`] asks it for the pending step and has an [`Executor`] do it,
//! until the loop has ended or a person asks to stop. A loop is saved and restored by serde: its whole
//! state is in every checkpoint.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ser::{Outcome, SerLoop, Step};

/// The algorithm of one kind of run ([`super::run::RunKind`]) as a state machine.
pub trait RunLoop: Serialize + DeserializeOwned {
    /// What the loop can ask for.
    type Step: Copy + std::fmt::Debug;
    /// What can come of a step.
    type Outcome;

    /// The step to execute now.
    fn pending(&self) -> Self::Step;

    /// Whether the pending step is the last one, which has no outcome.
    fn has_ended(&self) -> bool;
}

impl RunLoop for SerLoop {
    type Step = Step;
    type Outcome = Outcome;

    fn pending(&self) -> Step {
        SerLoop::pending(self)
    }

    fn has_ended(&self) -> bool {
        matches!(SerLoop::pending(self), Step::Finish { .. })
    }
}

/// Does the steps of a loop.
pub trait Executor<L: RunLoop> {
    /// Why a step cannot be done.
    type Error;

    /// The loop as it stands.
    fn run_loop(&self) -> &L;

    /// Whether a person wants the run to stop; asked before every step.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn is_to_stop(&mut self) -> Result<bool, Self::Error>;

    /// Does a step; `None` when a person asked to stop before it was done.
    ///
    /// # Errors
    /// What ended the step.
    fn execute(&mut self, step: L::Step) -> Result<Option<L::Outcome>, Self::Error>;

    /// Hands the outcome of a step to the loop and saves what must not be lost.
    ///
    /// # Errors
    /// When the loop refuses the outcome or its state cannot be saved.
    fn take(&mut self, step: L::Step, outcome: L::Outcome) -> Result<(), Self::Error>;

    /// Does the last step, after which the run has ended by itself.
    ///
    /// # Errors
    /// When the end cannot be recorded.
    fn finish(&mut self, step: L::Step) -> Result<(), Self::Error>;

    /// Ends on request, so that the run can be resumed.
    ///
    /// # Errors
    /// When the state cannot be saved.
    fn stop(&mut self) -> Result<(), Self::Error>;
}

/// How [`drive`] came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driven {
    /// The loop came to its end.
    Finished,
    /// A person asked to stop.
    Stopped,
}

/// Executes the steps of a loop until it ends or a person stops it.
///
/// # Errors
/// Whatever a step, or the way to a person, failed with.
pub fn drive<L: RunLoop, X: Executor<L>>(executor: &mut X) -> Result<Driven, X::Error> {
    loop {
        if executor.is_to_stop()? {
            break;
        }
        let step = executor.run_loop().pending();
        if executor.run_loop().has_ended() {
            executor.finish(step)?;
            return Ok(Driven::Finished);
        }
        let Some(outcome) = executor.execute(step)? else { break };
        executor.take(step, outcome)?;
    }
    executor.stop()?;
    Ok(Driven::Stopped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::metrics::Split;
    use crate::domain::run::StopReason;
    use crate::domain::ser::LoopRule;
    use crate::domain::spec::{Accumulation, PoolLabels, ReviewMode};
    use serde::Deserialize;

    /// A kind of run with two steps.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Tale {
        n_told: u32,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum TaleStep {
        Begin,
        Tell,
        End,
    }

    impl RunLoop for Tale {
        type Step = TaleStep;
        type Outcome = TaleStep;

        fn pending(&self) -> TaleStep {
            [TaleStep::Begin, TaleStep::Tell, TaleStep::End][self.n_told as usize]
        }

        fn has_ended(&self) -> bool {
            self.pending() == TaleStep::End
        }
    }

    /// Answers every step at once, and stops before one where it is told to.
    struct Fake<L> {
        state: L,
        saved: String,
        stop_before: usize,
        log: Vec<String>,
    }

    impl<L: RunLoop> Fake<L> {
        fn new(state: L, stop_before: usize) -> Self {
            Self { state, saved: String::new(), stop_before, log: Vec::new() }
        }
    }

    trait Answers: RunLoop {
        fn answer(step: Self::Step) -> Option<Self::Outcome>;
        fn on(&mut self, outcome: Self::Outcome) -> Result<(), ()>;
    }

    impl Answers for Tale {
        fn answer(step: TaleStep) -> Option<TaleStep> {
            Some(step)
        }

        fn on(&mut self, outcome: TaleStep) -> Result<(), ()> {
            assert_eq!(outcome, self.pending());
            self.n_told += 1;
            Ok(())
        }
    }

    impl Answers for SerLoop {
        fn answer(step: Step) -> Option<Outcome> {
            match step {
                Step::Train { .. } => Some(Outcome::Trained),
                Step::Evaluate { .. } => Some(Outcome::Evaluated { halt: None }),
                _ => None,
            }
        }

        fn on(&mut self, outcome: Outcome) -> Result<(), ()> {
            SerLoop::on(self, outcome).map(|_| ()).map_err(|_| ())
        }
    }

    impl<L: Answers> Executor<L> for Fake<L> {
        type Error = ();

        fn run_loop(&self) -> &L {
            &self.state
        }

        fn is_to_stop(&mut self) -> Result<bool, ()> {
            Ok(self.log.len() == self.stop_before)
        }

        fn execute(&mut self, step: L::Step) -> Result<Option<L::Outcome>, ()> {
            self.log.push(format!("{step:?}"));
            Ok(L::answer(step))
        }

        fn take(&mut self, _: L::Step, outcome: L::Outcome) -> Result<(), ()> {
            self.state.on(outcome)?;
            self.saved = serde_json::to_string(&self.state).map_err(|_| ())?;
            Ok(())
        }

        fn finish(&mut self, step: L::Step) -> Result<(), ()> {
            self.log.push(format!("{step:?}"));
            Ok(())
        }

        fn stop(&mut self) -> Result<(), ()> {
            self.log.push("stop".to_owned());
            Ok(())
        }
    }

    #[test]
    fn a_loop_of_another_kind_is_driven_stopped_and_restored() {
        let mut all = Fake::new(Tale { n_told: 0 }, usize::MAX);
        assert_eq!(drive(&mut all), Ok(Driven::Finished));
        assert_eq!(all.log, ["Begin", "Tell", "End"]);
        let mut first = Fake::new(Tale { n_told: 0 }, 1);
        assert_eq!(drive(&mut first), Ok(Driven::Stopped));
        assert_eq!(first.log, ["Begin", "stop"]);
        let mut second = Fake::new(serde_json::from_str::<Tale>(&first.saved).unwrap(), usize::MAX);
        assert_eq!(drive(&mut second), Ok(Driven::Finished));
        assert_eq!((second.log, second.state), (vec!["Tell".into(), "End".into()], all.state));
    }

    #[test]
    fn the_loop_of_ser_is_driven_by_the_same_function() {
        let rule = LoopRule {
            rounds_max: 0,
            pool_labels: PoolLabels::Pseudo,
            include_seed_set: true,
            accumulate: Accumulation::default(),
            review: ReviewMode::Live,
            cross_fit: false,
            has_oracle: false,
            asks_policy: false,
        };
        let mut fake = Fake::new(SerLoop::new(rule), usize::MAX);
        assert_eq!(drive(&mut fake), Ok(Driven::Finished));
        let steps = [
            Step::Train { round: 0 },
            Step::Evaluate { round: 0, split: Split::Validation },
            Step::Evaluate { round: 0, split: Split::Test },
            Step::Finish { reason: StopReason::RoundLimit },
        ];
        assert_eq!(fake.log, steps.map(|step| format!("{step:?}")));
        assert!(fake.state.has_ended());
        // Where no outcome came, a person asked to stop.
        let mut fake = Fake::new(SerLoop::new(LoopRule { rounds_max: 1, ..rule }), usize::MAX);
        assert_eq!(drive(&mut fake), Ok(Driven::Stopped));
        assert_eq!(fake.log.last().map(String::as_str), Some("stop"));
    }
}
