//! The rollouts of a step: what was sampled, what it was rewarded with, and the advantages that it is
//! learned from.

use crate::domain::policy::advantage::{group_relative, leave_one_out, of_batch};
use crate::domain::policy::kl::Estimator;
use crate::domain::policy::metric::{Metrics, PolicyMetric as M};
use crate::domain::policy::objective::rloo::penalized;
use crate::domain::policy::objective::{Advantage, Taken};
use crate::domain::policy::record::{RolloutAnswer, RolloutPrompt};
use crate::domain::policy::reward::{of_states, whiten_states};
use crate::domain::policy::rollout::{Sampled, divergence, metrics, ppo_metrics, token_divergence};
use crate::domain::policy::settings::{ObjectiveName, PolicySpec};

/// The answers of a step, those to one prompt together.
#[derive(Debug)]
pub struct StepBatch {
    /// Places of the prompts among the training prompts.
    pub prompts: Vec<usize>,
    /// `n_answers` to each of them.
    pub answers: Vec<BatchAnswer>,
    pub n_answers: usize,
    /// The metrics of the rollouts themselves.
    pub metrics: Metrics,
    /// Mean divergence of an answer and its standard error, in nats.
    pub divergence: Option<(f64, f64)>,
    /// The learning rate and gradient norm of the last update.
    pub last_update: Option<(f32, f32)>,
}

/// An answer as it was sampled.
#[derive(Debug, Clone, Default)]
pub struct BatchAnswer {
    pub tokens: Vec<u32>,
    pub text: String,
    pub has_end: bool,
    /// Before a penalty on the divergence; `None` where it has none.
    pub reward: Option<f64>,
    pub gold: Option<f64>,
    pub is_vetoed: bool,
    /// Log-probabilities of the tokens under the policy that sampled them.
    pub old: Vec<f64>,
    /// The same under the reference; empty where nobody asks.
    pub reference: Vec<f64>,
    /// Values of the states; empty without a value head.
    pub values: Vec<f64>,
    /// What the values are to become.
    pub returns: Vec<f64>,
    /// One for the whole answer, or (PPO) one for each token.
    pub advantages: Vec<f64>,
}

impl BatchAnswer {
    /// Whether it is learned from.
    pub fn counts(&self) -> bool {
        !self.is_vetoed && self.reward.is_some() && !self.tokens.is_empty()
    }

    /// The answer as the objective takes it.
    pub fn taken(&self) -> Taken<'_> {
        let advantage = match self.advantages.as_slice() {
            [one] if self.values.is_empty() => Advantage::Answer(*one),
            tokens => Advantage::Tokens(tokens),
        };
        Taken {
            old: &self.old,
            reference: &self.reference,
            advantage,
            counted: &[],
            values: &self.values,
            returns: &self.returns,
        }
    }

    fn sampled(&self) -> Sampled<'_> {
        Sampled {
            reward: self.reward.filter(|_| !self.is_vetoed),
            gold: self.gold,
            has_end: self.has_end,
            old: &self.old,
            reference: &self.reference,
        }
    }

    fn log_ratios(&self) -> Vec<f64> {
        self.old.iter().zip(&self.reference).map(|(old, reference)| old - reference).collect()
    }

    /// Mean advantage of a token.
    fn advantage(&self) -> Option<f64> {
        let n = self.advantages.len();
        (n > 0 && self.counts()).then(|| self.advantages.iter().sum::<f64>() / n as f64)
    }

    /// Divergence of the whole answer from the reference, in nats.
    pub fn divergence(&self) -> Option<f64> {
        (!self.reference.is_empty()).then(|| self.sampled().divergence(Estimator::K1))
    }

    /// What is kept of it for people.
    pub fn record(&self) -> RolloutAnswer {
        let finite = |value: Option<f64>| value.filter(|it| it.is_finite());
        RolloutAnswer {
            text: self.text.clone(),
            n_tokens: self.tokens.len() as u32,
            has_end: self.has_end,
            reward: finite(self.reward),
            gold: finite(self.gold),
            advantage: finite(self.advantage()),
            divergence: finite(self.divergence()),
            is_vetoed: self.is_vetoed,
        }
    }
}

impl StepBatch {
    /// Answers before anything is made of them.
    pub fn new(prompts: Vec<usize>, answers: Vec<BatchAnswer>, n_answers: usize) -> Self {
        let metrics = Metrics::new();
        Self { prompts, answers, n_answers, metrics, divergence: None, last_update: None }
    }

    /// How many answers are learned from.
    pub fn n_counted(&self) -> u64 {
        self.answers.iter().filter(|it| it.counts()).count() as u64
    }

    /// Gives every answer its advantage, given the coefficient of the penalty on the divergence.
    pub fn advantages(&mut self, policy: &PolicySpec, coefficient: f64) {
        match policy.objective {
            ObjectiveName::Rloo => {
                let rewards = self.rewards(|it, reward| {
                    if coefficient == 0.0 {
                        reward
                    } else {
                        penalized(reward, &it.log_ratios(), coefficient)
                    }
                });
                let found = leave_one_out(&rewards, self.n_answers, policy.normalize_advantages);
                self.give(found);
            }
            ObjectiveName::Grpo => {
                let rewards = self.rewards(|_, reward| reward);
                let found = group_relative(&rewards, self.n_answers, policy.scale);
                self.give(found);
            }
            ObjectiveName::Ppo => self.advantages_of_tokens(policy, coefficient),
            ObjectiveName::BestOfN | ObjectiveName::Dpo => {}
        }
        self.measure(policy, coefficient);
    }

    /// The rewards of the answers that count, changed by `change`.
    fn rewards(&self, change: impl Fn(&BatchAnswer, f64) -> f64) -> Vec<Option<f64>> {
        let reward =
            |it: &BatchAnswer| it.reward.filter(|_| it.counts()).map(|reward| change(it, reward));
        self.answers.iter().map(reward).collect()
    }

    fn give(&mut self, advantages: Vec<f64>) {
        for (answer, advantage) in self.answers.iter_mut().zip(advantages) {
            answer.advantages = vec![advantage];
        }
    }

    fn advantages_of_tokens(&mut self, policy: &PolicySpec, coefficient: f64) {
        let estimator = policy.kl_estimator;
        let counted: Vec<&BatchAnswer> = self.answers.iter().filter(|it| it.counts()).collect();
        let mut rewards: Vec<Vec<f64>> = counted
            .iter()
            .map(|it| {
                let reward = it.reward.unwrap_or_default();
                of_states(reward, &it.log_ratios(), it.values.len(), (estimator, coefficient))
            })
            .collect();
        if policy.whiten_rewards {
            whiten_states(&mut rewards);
        }
        let values: Vec<Vec<f64>> = counted.iter().map(|it| it.values.clone()).collect();
        let n_tokens: Vec<usize> = counted.iter().map(|it| it.tokens.len()).collect();
        let found = of_batch(&rewards, &values, &n_tokens, (policy.gamma, policy.lambda));
        for (answer, estimate) in self.answers.iter_mut().filter(|it| it.counts()).zip(found) {
            answer.advantages = estimate.advantages;
            answer.returns = estimate.returns;
        }
    }

    fn measure(&mut self, policy: &PolicySpec, coefficient: f64) {
        let sampled: Vec<Sampled<'_>> = self.answers.iter().map(BatchAnswer::sampled).collect();
        let mut found = metrics(&sampled, self.n_answers);
        self.divergence = divergence(&sampled, Estimator::K1);
        match policy.objective {
            ObjectiveName::Ppo => {
                found.extend(ppo_metrics(&sampled, (policy.kl_estimator, coefficient)));
            }
            ObjectiveName::Rloo => {
                found.extend(token_divergence(&sampled, Estimator::K1).map(|kl| (M::Kl, kl)));
                found.insert(M::KlCoefficient, coefficient);
            }
            ObjectiveName::Grpo | ObjectiveName::BestOfN | ObjectiveName::Dpo => {}
        }
        found.extend(self.divergence.map(|(mean, _)| (M::ObjectiveKl, mean)));
        found.retain(|_, value| value.is_finite());
        self.metrics = found;
    }

    /// What is kept for people; `pair_of` names the pair of a prompt's place.
    pub fn record(&self, pair_of: impl Fn(usize) -> u32) -> Vec<RolloutPrompt> {
        let groups = self.prompts.iter().zip(self.answers.chunks(self.n_answers.max(1)));
        groups
            .map(|(place, answers)| RolloutPrompt {
                pair: pair_of(*place),
                answers: answers.iter().map(BatchAnswer::record).collect(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(reward: f64, old: &[f64], reference: &[f64]) -> BatchAnswer {
        BatchAnswer {
            tokens: vec![1; old.len()],
            has_end: true,
            reward: Some(reward),
            old: old.to_vec(),
            reference: reference.to_vec(),
            ..BatchAnswer::default()
        }
    }

    #[test]
    fn rloo_takes_the_penalty_from_the_reward_and_leaves_vetoed_answers_out() {
        let policy = PolicySpec { answers: 3, ..PolicySpec::of(ObjectiveName::Rloo) };
        let mut answers = vec![
            answer(1.0, &[-1.0, -1.0], &[-2.0, -1.0]),
            answer(0.0, &[-1.0], &[-1.0]),
            answer(9.0, &[-1.0], &[-1.0]),
        ];
        answers[2].is_vetoed = true;
        let mut batch = StepBatch::new(vec![5], answers, 3);
        batch.advantages(&policy, 0.5);
        // 1 - .5 * 1 = .5 against 0; the vetoed one is in no mean.
        let advantage = |i: usize| batch.answers[i].taken().advantage;
        assert_eq!((advantage(0), advantage(1)), (Advantage::Answer(0.5), Advantage::Answer(-0.5)));
        assert_eq!(batch.n_counted(), 2);
        assert_eq!((batch.metrics[&M::Reward], batch.metrics[&M::KlCoefficient]), (0.5, 0.5));
        let record = batch.record(|place| place as u32 * 10);
        assert_eq!((record[0].pair, record[0].answers[0].divergence), (50, Some(1.0)));
        assert!(record[0].answers[2].is_vetoed && record[0].answers[2].advantage.is_none());
    }

    #[test]
    fn ppo_gives_each_token_its_own() {
        let policy = PolicySpec::of(ObjectiveName::Ppo);
        let mut answers = vec![
            answer(1.0, &[-1.0, -1.0], &[-1.0, -1.0]),
            answer(-1.0, &[-1.0, -2.0], &[-1.0, -1.0]),
        ];
        for answer in &mut answers {
            answer.values = vec![0.1, 0.2];
        }
        let mut batch = StepBatch::new(vec![0, 1], answers, 1);
        batch.advantages(&policy, 0.2);
        let Advantage::Tokens(first) = batch.answers[0].taken().advantage else { panic!() };
        let Advantage::Tokens(second) = batch.answers[1].taken().advantage else { panic!() };
        let sum: f64 = first.iter().chain(second).sum();
        assert!(sum.abs() < 1e-12 && first[1] > 0.0 && second[1] < 0.0, "{first:?} {second:?}");
        assert_eq!(batch.answers[0].taken().returns.len(), 2);
        // Returns of the last state: the reward there.
        assert!((batch.answers[0].taken().returns[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_batch_without_a_reference_has_no_divergence() {
        let policy = PolicySpec { answers: 2, ..PolicySpec::of(ObjectiveName::Grpo) };
        let answers = vec![answer(1.0, &[-1.0], &[]), answer(3.0, &[-1.0], &[])];
        let mut batch = StepBatch::new(vec![0], answers, 2);
        batch.advantages(&policy, 0.0);
        assert!(batch.divergence.is_none() && !batch.metrics.contains_key(&M::ObjectiveKl));
        assert_eq!(batch.record(|_| 0)[0].answers[1].divergence, None);
    }
}
