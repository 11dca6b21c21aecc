//! The table `[policy]` of a spec: what the policy stage does, and with which numbers.
//!
//! A spec says everything, so there are no defaults that depend on what is left out: a new spec takes
//! [`PolicySpec::of`] its objective, whose numbers are those of the program that has it.

use serde::{Deserialize, Serialize};

use super::advantage::Scale;
use super::kl::{Controller, Estimator};
use super::objective::{ClipRange, Dpo, Grpo, GrpoLoss, Objective, PolicyGradient, Ppo, Rloo};
use super::reward::{Shaping, Squash};
use crate::domain::spec::{SpecError, check};

/// What the policy is trained for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ObjectiveName {
    BestOfN,
    Dpo,
    #[default]
    Rloo,
    Grpo,
    Ppo,
}

impl ObjectiveName {
    /// The name in tables, specs and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether the policy's weights change.
    #[must_use]
    pub fn trains(self) -> bool {
        self != Self::BestOfN
    }

    /// Whether a step learns from answers that the policy samples for it.
    #[must_use]
    pub fn samples(self) -> bool {
        matches!(self, Self::Rloo | Self::Grpo | Self::Ppo)
    }
}

/// How the coefficient of the divergence in the reward moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KlControl {
    #[default]
    Fixed,
    /// Toward `kl_target` (see [`Controller::Adaptive`]).
    Adaptive,
}

/// The table `[policy.sft]`: next-token training on answers before the policy stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SftSpec {
    /// Passes over the answers; 0 leaves the stage out.
    pub epochs: u32,
    pub batch_answers: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
}

/// The table `[policy]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySpec {
    pub objective: ObjectiveName,
    /// Batches that are sampled and learned from (DPO: batches of pairs).
    pub steps: u32,
    /// Prompts of a step (DPO: pairs).
    pub prompts_per_step: u32,
    /// Answers to each prompt of a step.
    pub answers: u32,
    /// Longest answer in tokens.
    pub max_new_tokens: u32,
    /// What logits are divided by when a step samples.
    pub temperature: f64,
    pub learning_rate: f64,
    /// Global gradient norm above which gradients are scaled down; 0 is off.
    pub clip_norm: f64,
    /// Passes over the answers of a step.
    pub epochs: u32,
    /// Parts of a pass, with an update after each.
    pub mini_batches: u32,
    /// Weight of the divergence from the reference: in the reward (RLOO, PPO) or in the loss (GRPO); for
    /// DPO, how strongly the policy is held to it.
    pub beta: f64,
    /// How `beta` moves where it is in the reward.
    pub kl_control: KlControl,
    /// Divergence of an answer, in nats, that an adaptive `beta` makes for.
    pub kl_target: f64,
    /// Answers after which an adaptive `beta` has moved by as much as its error.
    pub kl_horizon: f64,
    /// How PPO estimates the divergence at a token.
    pub kl_estimator: Estimator,
    /// How far below 1 the ratio of probabilities counts.
    pub clip_low: f64,
    /// How far above 1 it counts.
    pub clip_high: f64,
    /// Whether GRPO's divergence is weighed by the ratio to the sampling policy ([`Grpo::correct_kl`]).
    pub correct_kl: bool,
    /// What GRPO divides the sum over tokens by.
    pub loss: GrpoLoss,
    /// What GRPO divides the differences to the mean of a group by.
    pub scale: Scale,
    /// Whether RLOO's advantages are brought to mean 0 and standard deviation 1 over the batch.
    pub normalize_advantages: bool,
    /// How far PPO's values may move in a step.
    pub value_clip: f64,
    /// The weight of the loss of PPO's values.
    pub value_weight: f64,
    /// What a state later is worth to PPO.
    pub gamma: f64,
    /// How far PPO's advantages look ahead, between one state (0) and all (1).
    pub lambda: f64,
    /// Whether PPO's rewards are brought to standard deviation 1 over the batch.
    pub whiten_rewards: bool,
    /// Who rewards the answers: a run (`RUN`, of a round `RUN:2`), a directory, several of these with
    /// commas, `oracle`, `command:…`, or `none`.
    pub reward: String,
    pub squash: Squash,
    /// How many standard deviations of the fold models' scores are taken from their mean.
    pub spread_weight: f64,
    /// The reward stays within plus and minus this; 0 is off.
    pub reward_clip: f64,
    /// What an answer loses that was cut.
    pub missing_end_penalty: f64,
    /// The judge that decides what is kept, named as a reward is.
    pub gold: String,
    /// Steps between two evaluations.
    pub evaluate_every: u32,
    /// Held-out prompts of an evaluation.
    pub evaluate_prompts: u32,
    /// Answers to each of them from which the best-of-n curve is made at the beginning; 0 leaves it out.
    pub best_of: u32,
    /// Whether a significant fall of the judge's score ends the stage.
    pub stop_on_drop: bool,
    pub sft: SftSpec,
}

/// What `policy.reward` and `policy.gold` say where there is none.
const NONE: &str = "none";

impl PolicySpec {
    /// The settings of an objective: TRL 1.16's (PPO: those of SER's published code and trl 0.11), with
    /// fewer and shorter answers, so that a step on a processor takes seconds.
    #[must_use]
    pub fn of(objective: ObjectiveName) -> Self {
        let base = Self {
            objective,
            steps: 100,
            prompts_per_step: 16,
            answers: 2,
            max_new_tokens: 64,
            temperature: 1.0,
            learning_rate: 1e-6,
            clip_norm: 1.0,
            epochs: 1,
            mini_batches: 1,
            beta: 0.05,
            kl_control: KlControl::Fixed,
            kl_target: 0.1,
            kl_horizon: 10_000.0,
            kl_estimator: Estimator::K1,
            clip_low: 0.2,
            clip_high: 0.2,
            correct_kl: true,
            loss: GrpoLoss::Dapo,
            scale: Scale::Group,
            normalize_advantages: false,
            value_clip: 0.2,
            value_weight: 0.1,
            gamma: 1.0,
            lambda: 0.95,
            whiten_rewards: false,
            reward: NONE.to_owned(),
            squash: Squash::None,
            spread_weight: 0.0,
            reward_clip: 0.0,
            missing_end_penalty: 0.0,
            gold: NONE.to_owned(),
            evaluate_every: 10,
            evaluate_prompts: 64,
            best_of: 64,
            stop_on_drop: true,
            sft: SftSpec { epochs: 1, batch_answers: 16, learning_rate: 2e-5 },
        };
        match objective {
            ObjectiveName::BestOfN => Self { steps: 0, beta: 0.0, ..base },
            ObjectiveName::Dpo => Self { beta: 0.1, answers: 1, ..base },
            ObjectiveName::Rloo => base,
            ObjectiveName::Grpo => Self { answers: 8, beta: 0.0, ..base },
            // Huang et al. 2025: one answer, 4 passes, batches of 8, Adafactor at 1.4e-5, the score's
            // sigmoid as the reward.
            ObjectiveName::Ppo => Self {
                answers: 1,
                prompts_per_step: 8,
                epochs: 4,
                beta: 0.2,
                kl_control: KlControl::Adaptive,
                learning_rate: 1.4e-5,
                squash: Squash::Sigmoid,
                ..base
            },
        }
    }

    /// The objective with its settings.
    #[must_use]
    pub fn objective(&self) -> Objective {
        let clip = ClipRange { low: self.clip_low, high: self.clip_high };
        match self.objective {
            ObjectiveName::BestOfN => Objective::BestOfN,
            ObjectiveName::Dpo => Objective::Pairs(Dpo { beta: self.beta }),
            ObjectiveName::Rloo => Objective::Answers(PolicyGradient::Rloo(Rloo { clip })),
            ObjectiveName::Grpo => Objective::Answers(PolicyGradient::Grpo(Grpo {
                loss: self.loss,
                clip,
                beta: self.beta,
                correct_kl: self.correct_kl,
                max_new_tokens: self.max_new_tokens,
            })),
            ObjectiveName::Ppo => Objective::Answers(PolicyGradient::Ppo(Ppo {
                clip,
                value_clip: self.value_clip,
                value_weight: self.value_weight,
            })),
        }
    }

    /// The penalty on the divergence in the reward, as it stands at the beginning; 0 where the objective
    /// has it elsewhere.
    #[must_use]
    pub fn controller(&self) -> Controller {
        let coefficient = match self.objective {
            ObjectiveName::Rloo | ObjectiveName::Ppo => self.beta,
            ObjectiveName::BestOfN | ObjectiveName::Dpo | ObjectiveName::Grpo => 0.0,
        };
        match self.kl_control {
            KlControl::Fixed => Controller::Fixed { coefficient },
            KlControl::Adaptive => Controller::Adaptive {
                coefficient,
                target: self.kl_target,
                horizon: self.kl_horizon,
            },
        }
    }

    /// How scores become rewards.
    #[must_use]
    pub fn shaping(&self) -> Shaping {
        Shaping {
            squash: self.squash,
            spread_weight: self.spread_weight,
            clip: self.reward_clip,
            missing_end_penalty: self.missing_end_penalty,
        }
    }

    /// Whether anything asks what the reference says of an answer.
    #[must_use]
    pub fn reads_reference(&self) -> bool {
        match self.objective {
            ObjectiveName::BestOfN => false,
            ObjectiveName::Dpo => true,
            ObjectiveName::Rloo | ObjectiveName::Grpo | ObjectiveName::Ppo => self.beta != 0.0,
        }
    }

    /// How many evaluations a run has that comes to its end: one before the first step, then after every
    /// `evaluate_every` steps, and after the last.
    #[must_use]
    pub fn n_evaluations(&self) -> usize {
        let steps = if self.objective.trains() { self.steps } else { 0 };
        1 + steps.div_ceil(self.evaluate_every.max(1)) as usize
    }

    /// Checks every range.
    ///
    /// # Errors
    /// The first value out of its range, by key.
    pub fn validate(&self) -> Result<(), SpecError> {
        self.validate_sizes()?;
        self.validate_numbers()?;
        let (objective, reward) = (self.objective.name(), self.reward.as_str());
        // Best-of-n without a curve is what an SFT stage alone is.
        let needs_reward = match self.objective {
            ObjectiveName::Dpo => false,
            ObjectiveName::BestOfN => self.best_of > 0,
            ObjectiveName::Rloo | ObjectiveName::Grpo | ObjectiveName::Ppo => true,
        };
        let expected = "possible without a reward: set `policy.reward` to a run or a directory";
        check("policy.objective", objective, !needs_reward || reward != NONE, expected)?;
        let answers = self.answers;
        let needs_group = matches!(self.objective, ObjectiveName::Rloo | ObjectiveName::Grpo);
        let expected = "at least 2, since this objective compares the answers to a prompt";
        check("policy.answers", answers, !needs_group || answers >= 2, expected)?;
        let is_read = self.objective == ObjectiveName::Ppo || self.kl_control == KlControl::Fixed;
        let expected = "possible with this objective: `adaptive` is for `ppo`";
        check("policy.kl_control", "adaptive", is_read, expected)
    }

    fn validate_sizes(&self) -> Result<(), SpecError> {
        let sft = &self.sft;
        for (key, value, least, most, expected) in [
            ("policy.steps", self.steps, 0, 1_000_000, "from 0 to 1000000"),
            ("policy.prompts_per_step", self.prompts_per_step, 1, 4096, "from 1 to 4096"),
            ("policy.answers", self.answers, 1, 1024, "from 1 to 1024"),
            ("policy.max_new_tokens", self.max_new_tokens, 1, 1 << 16, "from 1 to 65536"),
            ("policy.epochs", self.epochs, 1, 100, "from 1 to 100"),
            ("policy.mini_batches", self.mini_batches, 1, 4096, "from 1 to 4096"),
            ("policy.evaluate_every", self.evaluate_every, 1, 1_000_000, "from 1 to 1000000"),
            ("policy.evaluate_prompts", self.evaluate_prompts, 2, 100_000, "from 2 to 100000"),
            ("policy.best_of", self.best_of, 0, 1024, "from 0 to 1024"),
            ("policy.sft.epochs", sft.epochs, 0, 1000, "from 0 to 1000"),
            ("policy.sft.batch_answers", sft.batch_answers, 1, 4096, "from 1 to 4096"),
        ] {
            check(key, value, (least..=most).contains(&value), expected)?;
        }
        let n = self.prompts_per_step.saturating_mul(self.answers);
        let expected = "at most the number of answers of a step";
        check("policy.mini_batches", self.mini_batches, self.mini_batches <= n, expected)
    }

    fn validate_numbers(&self) -> Result<(), SpecError> {
        let above_0 = |value: f64| value.is_finite() && value > 0.0;
        let from_0 = |value: f64| value.is_finite() && value >= 0.0;
        let share = |value: f64| (0.0..=1.0).contains(&value);
        let rate = |value: f64| value > 0.0 && value <= 1.0;
        for (key, value, is_fine, expected) in [
            ("policy.temperature", self.temperature, above_0(self.temperature), "above 0"),
            (
                "policy.learning_rate",
                self.learning_rate,
                rate(self.learning_rate),
                "above 0 and at most 1",
            ),
            ("policy.clip_norm", self.clip_norm, from_0(self.clip_norm), "0 or more"),
            ("policy.beta", self.beta, from_0(self.beta), "0 or more"),
            ("policy.kl_target", self.kl_target, above_0(self.kl_target), "above 0"),
            ("policy.kl_horizon", self.kl_horizon, above_0(self.kl_horizon), "above 0"),
            ("policy.clip_low", self.clip_low, rate(self.clip_low), "above 0 and at most 1"),
            ("policy.clip_high", self.clip_high, above_0(self.clip_high), "above 0"),
            ("policy.value_clip", self.value_clip, above_0(self.value_clip), "above 0"),
            ("policy.value_weight", self.value_weight, from_0(self.value_weight), "0 or more"),
            ("policy.gamma", self.gamma, share(self.gamma), "from 0 to 1"),
            ("policy.lambda", self.lambda, share(self.lambda), "from 0 to 1"),
            ("policy.spread_weight", self.spread_weight, from_0(self.spread_weight), "0 or more"),
            ("policy.reward_clip", self.reward_clip, from_0(self.reward_clip), "0 or more"),
            (
                "policy.missing_end_penalty",
                self.missing_end_penalty,
                from_0(self.missing_end_penalty),
                "0 or more",
            ),
            (
                "policy.sft.learning_rate",
                self.sft.learning_rate,
                rate(self.sft.learning_rate),
                "above 0 and at most 1",
            ),
        ] {
            check(key, value, is_fine, expected)?;
        }
        let is_fine = self.objective != ObjectiveName::Dpo || self.beta > 0.0;
        check("policy.beta", self.beta, is_fine, "above 0, which `dpo` needs")
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;

    fn of(objective: ObjectiveName) -> PolicySpec {
        PolicySpec { reward: "r0000000".to_owned(), ..PolicySpec::of(objective) }
    }

    #[test]
    fn the_settings_of_each_objective_are_fine_and_keep_their_meaning() {
        for name in ObjectiveName::VARIANTS {
            let spec = of(*name);
            spec.validate().unwrap();
            let text = toml::to_string(&spec).unwrap();
            assert_eq!(toml::from_str::<PolicySpec>(&text).unwrap(), spec);
            assert_eq!(serde_json::to_value(name).unwrap(), name.name());
            assert_eq!(name.name().parse::<ObjectiveName>().ok(), Some(*name));
            let is_of_answers = matches!(spec.objective(), Objective::Answers(_));
            assert_eq!(
                (is_of_answers, name.trains()),
                (name.samples(), *name != ObjectiveName::BestOfN)
            );
        }
        let ppo = of(ObjectiveName::Ppo);
        assert_eq!(
            ppo.controller(),
            Controller::Adaptive { coefficient: 0.2, target: 0.1, horizon: 10_000.0 }
        );
        assert!(ppo.reads_reference() && of(ObjectiveName::Dpo).reads_reference());
        let grpo = of(ObjectiveName::Grpo);
        assert_eq!(
            (grpo.reads_reference(), grpo.controller()),
            (false, Controller::Fixed { coefficient: 0.0 })
        );
    }

    #[test]
    fn what_is_out_of_its_range_is_named() {
        type Change = fn(&mut PolicySpec);
        let cases: [(&str, Change, &str); 9] = [
            ("lone answers", |it| it.answers = 1, "`policy.answers` is 1, which is not at least 2"),
            (
                "no reward",
                |it| it.reward = "none".into(),
                "`policy.objective` is rloo, which is not possible without a reward",
            ),
            (
                "rate",
                |it| it.learning_rate = 0.0,
                "`policy.learning_rate` is 0, which is not above 0",
            ),
            ("no number", |it| it.beta = f64::NAN, "`policy.beta` is NaN, which is not 0 or more"),
            (
                "temperature",
                |it| it.temperature = -1.0,
                "`policy.temperature` is -1, which is not above 0",
            ),
            (
                "parts",
                |it| it.mini_batches = 33,
                "`policy.mini_batches` is 33, which is not at most the number",
            ),
            (
                "adaptive",
                |it| it.kl_control = KlControl::Adaptive,
                "`policy.kl_control` is adaptive, which is not possible",
            ),
            (
                "sft",
                |it| it.sft.batch_answers = 0,
                "`policy.sft.batch_answers` is 0, which is not from 1",
            ),
            (
                "clip",
                |it| it.clip_low = 1.5,
                "`policy.clip_low` is 1.5, which is not above 0 and at most 1",
            ),
        ];
        for (what, change, message) in cases {
            let mut spec = of(ObjectiveName::Rloo);
            change(&mut spec);
            let error = spec.validate().unwrap_err().to_string();
            assert!(error.starts_with(message), "{what}: {error}");
        }
        let mut dpo = of(ObjectiveName::Dpo);
        dpo.beta = 0.0;
        assert_eq!(dpo.validate().unwrap_err().key, "policy.beta");
        assert!(toml::from_str::<PolicySpec>("objektive = \"rloo\"").is_err());
    }

    #[test]
    fn evaluations_are_counted() {
        for (steps, every, want) in [(100, 10, 11), (101, 10, 12), (5, 10, 2), (0, 10, 1)] {
            let spec = PolicySpec { steps, evaluate_every: every, ..of(ObjectiveName::Rloo) };
            assert_eq!(spec.n_evaluations(), want, "{steps} {every}");
        }
        assert_eq!(PolicySpec { steps: 50, ..of(ObjectiveName::BestOfN) }.n_evaluations(), 1);
    }
}
