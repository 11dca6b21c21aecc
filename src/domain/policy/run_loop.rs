//! The policy stage as a state machine: what happened goes in, what to do comes out.
//!
//! ```text
//! beginning:  (TrainSft) → OpenReward → Evaluate 0
//! step n:     (Sample n) → Update n, once a pass → every so often Evaluate n
//! end:        (Restore) → Judge → Finish
//! ```
//!
//! DPO learns from pairs that are there and samples nothing; best-of-n trains nothing and goes from its one
//! evaluation to the verdict. The loop holds no texts, weights or log-probabilities; the penalty's
//! coefficient is part of its state, so that a resumed run goes on with it.

use serde::{Deserialize, Serialize};

use super::kl::Controller;
use super::settings::{ObjectiveName, PolicySpec};
use crate::domain::run::StopReason;
use crate::domain::run_loop::RunLoop;
use crate::domain::ser::UnexpectedOutcome;
use crate::domain::told;

/// What the stage wants done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum PolicyStep {
    /// Train the policy to continue prompts as the answers of the data do. What comes of it is the
    /// reference.
    TrainSft,
    /// Open the reward model and the judge.
    OpenReward,
    /// Answer the held-out prompts and have the answers judged.
    Evaluate {
        /// Steps that were taken before.
        step: u32,
    },
    /// Answer the prompts of this step and have the answers rewarded.
    Sample { step: u32 },
    /// Learn from the answers (DPO: the pairs) of this step.
    Update {
        step: u32,
        /// Which pass over them, from 0.
        epoch: u32,
    },
    /// Take the weights again that an earlier evaluation judged.
    Restore {
        /// Steps that had been taken then.
        step: u32,
    },
    /// Compare the policy with its reference.
    Judge {
        /// Steps behind the weights that are judged.
        step: u32,
    },
    /// Nothing more to do.
    Finish { reason: StopReason },
}

impl PolicyStep {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::TrainSft => "sft",
            Self::OpenReward => "open_reward",
            Self::Evaluate { .. } => "evaluate_policy",
            Self::Sample { .. } => "sample",
            Self::Update { .. } => "update",
            Self::Restore { .. } => "restore",
            Self::Judge { .. } => "judge",
            Self::Finish { .. } => "finish",
        }
    }
}

impl std::fmt::Display for PolicyStep {
    /// The step in words, for logs: `step 3: sample`, `finished: all policy steps done`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finish { reason } => write!(f, "finished: {}", told::stop_reason(*reason)),
            Self::TrainSft | Self::OpenReward => write!(f, "{}", told::phase(self.name())),
            Self::Evaluate { step }
            | Self::Sample { step }
            | Self::Update { step, .. }
            | Self::Restore { step }
            | Self::Judge { step } => write!(f, "step {step}: {}", told::phase(self.name())),
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PolicyOutcome {
    /// The SFT stage is over.
    SftTrained,
    RewardOpened,
    Evaluated {
        /// Where the judge's score fell significantly: the step whose weights are to be taken again
        /// ([`super::sign::look`]).
        back_to: Option<u32>,
    },
    Sampled {
        /// Answers that can be learned from; vetoed ones and those without a reward are not.
        n_answers: u64,
        /// Mean divergence of an answer from the reference, in nats; `None` where nobody asked the
        /// reference.
        kl: Option<f64>,
    },
    /// One pass was made.
    Updated,
    Restored,
    Judged,
}

/// The settings of a spec that steer the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRule {
    pub objective: ObjectiveName,
    /// Whether an SFT stage comes first.
    pub sft: bool,
    pub steps: u32,
    /// Passes over the answers of a step.
    pub epochs: u32,
    /// Steps between two evaluations.
    pub evaluate_every: u32,
    /// Whether a significant fall of the judge's score ends the stage.
    pub stop_on_drop: bool,
}

impl From<&PolicySpec> for PolicyRule {
    fn from(spec: &PolicySpec) -> Self {
        Self {
            objective: spec.objective,
            sft: spec.sft.epochs > 0,
            steps: if spec.objective.trains() { spec.steps } else { 0 },
            epochs: spec.epochs,
            evaluate_every: spec.evaluate_every,
            stop_on_drop: spec.stop_on_drop,
        }
    }
}

/// What was sampled for the present step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InFlight {
    n_answers: u64,
    kl: Option<f64>,
}

/// The stage's state; serialized whole into every checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyLoop {
    rule: PolicyRule,
    pending: PolicyStep,
    controller: Controller,
    in_flight: Option<InFlight>,
    /// Why the stage ends once the policy is judged.
    reason: StopReason,
}

impl PolicyLoop {
    /// A stage at its beginning.
    #[must_use]
    pub fn new(rule: PolicyRule, controller: Controller) -> Self {
        let pending = if rule.sft { PolicyStep::TrainSft } else { PolicyStep::OpenReward };
        Self { rule, pending, controller, in_flight: None, reason: StopReason::StepLimit }
    }

    /// What the divergence of an answer of the present step is multiplied by in its reward.
    #[must_use]
    pub fn kl_coefficient(&self) -> f64 {
        self.controller.coefficient()
    }

    /// Takes the outcome of the pending step and says what comes next.
    ///
    /// # Errors
    /// When the outcome does not belong to the pending step; the state is unchanged.
    pub fn on(&mut self, outcome: PolicyOutcome) -> Result<PolicyStep, UnexpectedOutcome> {
        use PolicyOutcome as O;
        use PolicyStep as S;
        let next = match (self.pending, outcome) {
            (S::TrainSft, O::SftTrained) => S::OpenReward,
            (S::OpenReward, O::RewardOpened) => S::Evaluate { step: 0 },
            (S::Evaluate { step }, O::Evaluated { back_to }) => {
                self.after_evaluation(step, back_to)
            }
            (S::Sample { step }, O::Sampled { n_answers, kl }) => {
                self.in_flight = Some(InFlight { n_answers, kl });
                // Without an answer to learn from, the step is over.
                if n_answers == 0 { self.after_step(step) } else { S::Update { step, epoch: 0 } }
            }
            (S::Update { step, epoch }, O::Updated) if epoch + 1 < self.rule.epochs => {
                S::Update { step, epoch: epoch + 1 }
            }
            (S::Update { step, .. }, O::Updated) => self.after_step(step),
            (S::Restore { step }, O::Restored) => S::Judge { step },
            (S::Judge { .. }, O::Judged) => S::Finish { reason: self.reason },
            (pending, outcome) => {
                return Err(UnexpectedOutcome {
                    expected: pending.name(),
                    outcome: format!("{outcome:?}"),
                });
            }
        };
        self.pending = next;
        Ok(next)
    }

    fn after_evaluation(&mut self, step: u32, back_to: Option<u32>) -> PolicyStep {
        if let Some(best) = back_to.filter(|_| self.rule.stop_on_drop) {
            self.reason = StopReason::GoldDropped;
            PolicyStep::Restore { step: best }
        } else if step >= self.rule.steps {
            PolicyStep::Judge { step }
        } else {
            self.begin(step + 1)
        }
    }

    fn after_step(&mut self, step: u32) -> PolicyStep {
        // As trl 0.11: the answers of a step are rewarded first, and the coefficient follows then.
        if let Some(InFlight { n_answers, kl: Some(kl) }) = self.in_flight.take() {
            self.controller.follow(kl, n_answers);
        }
        if step >= self.rule.steps || step.is_multiple_of(self.rule.evaluate_every.max(1)) {
            PolicyStep::Evaluate { step }
        } else {
            self.begin(step + 1)
        }
    }

    fn begin(&self, step: u32) -> PolicyStep {
        if self.rule.objective.samples() {
            PolicyStep::Sample { step }
        } else {
            PolicyStep::Update { step, epoch: 0 }
        }
    }
}

impl RunLoop for PolicyLoop {
    type Step = PolicyStep;
    type Outcome = PolicyOutcome;

    fn pending(&self) -> PolicyStep {
        self.pending
    }

    fn has_ended(&self) -> bool {
        matches!(self.pending, PolicyStep::Finish { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(objective: ObjectiveName, steps: u32) -> PolicyRule {
        PolicyRule { objective, sft: true, steps, epochs: 1, evaluate_every: 2, stop_on_drop: true }
    }

    fn fixed(rule: PolicyRule) -> PolicyLoop {
        PolicyLoop::new(rule, Controller::Fixed { coefficient: 0.05 })
    }

    /// Feeds outcomes until the loop ends; `drops` are evaluations that find a fall, with where to go
    /// back to. Every state goes through JSON on its way, as through a checkpoint.
    fn drive(mut stage: PolicyLoop, drops: &[(u32, u32)]) -> (String, PolicyLoop) {
        let mut names = Vec::new();
        loop {
            let text = serde_json::to_string(&stage).unwrap();
            stage = serde_json::from_str(&text).unwrap();
            let step = stage.pending();
            let (name, outcome) = match step {
                PolicyStep::TrainSft => ("sft".to_owned(), PolicyOutcome::SftTrained),
                PolicyStep::OpenReward => ("reward".to_owned(), PolicyOutcome::RewardOpened),
                PolicyStep::Evaluate { step } => {
                    let back_to = drops.iter().find(|it| it.0 == step).map(|it| it.1);
                    (format!("evaluate {step}"), PolicyOutcome::Evaluated { back_to })
                }
                PolicyStep::Sample { step } => {
                    let sampled = PolicyOutcome::Sampled { n_answers: 8, kl: Some(1.0) };
                    (format!("sample {step}"), sampled)
                }
                PolicyStep::Update { step, epoch } => {
                    (format!("update {step}.{epoch}"), PolicyOutcome::Updated)
                }
                PolicyStep::Restore { step } => {
                    (format!("restore {step}"), PolicyOutcome::Restored)
                }
                PolicyStep::Judge { step } => (format!("judge {step}"), PolicyOutcome::Judged),
                PolicyStep::Finish { reason } => {
                    names.push(reason.name().to_owned());
                    return (names.join(", "), stage);
                }
            };
            names.push(name);
            stage.on(outcome).unwrap();
        }
    }

    #[test]
    fn each_kind_of_stage_in_order() {
        use ObjectiveName::{BestOfN, Dpo, Ppo, Rloo};
        for (what, rule, drops, want) in [
            (
                "rloo",
                rule(Rloo, 3),
                &[][..],
                "sft, reward, evaluate 0, sample 1, update 1.0, sample 2, update 2.0, evaluate 2, \
                 sample 3, update 3.0, evaluate 3, judge 3, step_limit",
            ),
            (
                "several passes and no sft",
                PolicyRule { epochs: 2, sft: false, ..rule(Ppo, 1) },
                &[],
                "reward, evaluate 0, sample 1, update 1.0, update 1.1, evaluate 1, judge 1, step_limit",
            ),
            (
                "dpo samples nothing",
                rule(Dpo, 2),
                &[],
                "sft, reward, evaluate 0, update 1.0, update 2.0, evaluate 2, judge 2, step_limit",
            ),
            (
                "best of n trains nothing",
                rule(BestOfN, 0),
                &[],
                "sft, reward, evaluate 0, judge 0, step_limit",
            ),
            (
                "a fall goes back",
                rule(Dpo, 9),
                &[(4, 2)],
                "sft, reward, evaluate 0, update 1.0, update 2.0, evaluate 2, update 3.0, update 4.0, \
                 evaluate 4, restore 2, judge 2, gold_dropped",
            ),
            (
                "a fall that nobody minds",
                PolicyRule { stop_on_drop: false, ..rule(Dpo, 2) },
                &[(2, 0)],
                "sft, reward, evaluate 0, update 1.0, update 2.0, evaluate 2, judge 2, step_limit",
            ),
        ] {
            assert_eq!(drive(fixed(rule), drops).0, want, "{what}");
        }
    }

    #[test]
    fn a_step_without_answers_is_passed_over() {
        let mut stage = fixed(PolicyRule { sft: false, ..rule(ObjectiveName::Rloo, 4) });
        stage.on(PolicyOutcome::RewardOpened).unwrap();
        stage.on(PolicyOutcome::Evaluated { back_to: None }).unwrap();
        let nothing = PolicyOutcome::Sampled { n_answers: 0, kl: None };
        assert_eq!(stage.on(nothing).unwrap(), PolicyStep::Sample { step: 2 });
        assert_eq!(stage.on(nothing).unwrap(), PolicyStep::Evaluate { step: 2 });
    }

    #[test]
    fn the_coefficient_follows_after_the_last_pass() {
        let adaptive = Controller::Adaptive { coefficient: 0.2, target: 0.1, horizon: 80.0 };
        let rule = PolicyRule { sft: false, epochs: 2, ..rule(ObjectiveName::Ppo, 2) };
        let mut stage = PolicyLoop::new(rule, adaptive);
        stage.on(PolicyOutcome::RewardOpened).unwrap();
        stage.on(PolicyOutcome::Evaluated { back_to: None }).unwrap();
        stage.on(PolicyOutcome::Sampled { n_answers: 8, kl: Some(1.0) }).unwrap();
        stage.on(PolicyOutcome::Updated).unwrap();
        assert_eq!(stage.kl_coefficient(), 0.2);
        stage.on(PolicyOutcome::Updated).unwrap();
        // 8 answers of 80 at the largest error: 1 + .2 * .1
        assert!((stage.kl_coefficient() - 0.2 * 1.02).abs() < 1e-15);
        let (_, ended) = drive(stage, &[]);
        assert!((ended.kl_coefficient() - 0.2 * 1.02 * 1.02).abs() < 1e-15);
        assert!(ended.has_ended());
    }

    #[test]
    fn an_outcome_of_another_step_is_refused() {
        let mut stage = fixed(rule(ObjectiveName::Rloo, 1));
        let before = stage.clone();
        let error = stage.on(PolicyOutcome::Updated).unwrap_err();
        assert_eq!(error.to_string(), "the loop waits for the outcome of `sft`, not for Updated");
        assert_eq!(stage, before);
    }

    #[test]
    fn steps_in_words() {
        for (step, want) in [
            (PolicyStep::TrainSft, "SFT"),
            (PolicyStep::Update { step: 3, epoch: 1 }, "step 3: update"),
            (
                PolicyStep::Finish { reason: StopReason::StepLimit },
                "finished: all policy steps done",
            ),
        ] {
            assert_eq!(step.to_string(), want);
        }
    }

    #[test]
    fn a_rule_comes_from_a_spec() {
        let rule = PolicyRule::from(&PolicySpec::of(ObjectiveName::Ppo));
        assert_eq!((rule.sft, rule.steps, rule.epochs, rule.evaluate_every), (true, 100, 4, 10));
        let spec = PolicySpec { steps: 7, ..PolicySpec::of(ObjectiveName::BestOfN) };
        assert_eq!(PolicyRule::from(&spec).steps, 0);
    }
}
