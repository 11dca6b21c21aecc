//! A deterministic stand-in for a reward model, for tests of whole processes.
//!
//! The reward of an answer is the mean weight of its words, hashed into [`N_FEATURES`] features:
//! a linear Bradley-Terry model that really learns, in microseconds a pair, by stochastic gradient
//! descent with momentum. Every operation is sequential `f32` arithmetic, so results are exact.
//!
//! `SER_MOCK_DELAY_US` makes every pair take that many microseconds longer, in training and in
//! scoring, so that a test can kill a run half-way.

use std::path::Path;
use std::time::Duration;

use super::files::checkpoint::digest_floats;
use super::files::stored::read_tensors;
use super::files::tensor_file::{broken, write_tensors};
use super::implementation::Implementation;
use super::memory::{Load, MemoryPlan};
use super::{
    CausalLm, Claim, EncodedPair, EngineError, LabeledPair, ModelInfo, ModelTensor, NoLikelihood,
    OpenSettings, PairText, RewardModel, StepReport, StepSettings, Trainable, WrittenText,
};
use crate::domain::preference::Side;
use crate::domain::random::{Place, Purpose, text_hash};
use crate::domain::spec::Loss;
use crate::domain::text::conversation::TextForm;

/// Number of features that words are hashed into.
pub const N_FEATURES: usize = 4096;

/// Environment variable with the artificial delay in microseconds a pair.
pub const DELAY_VARIABLE: &str = "SER_MOCK_DELAY_US";

/// Momentum of the stochastic gradient descent.
const MOMENTUM: f32 = 0.9;
/// The learning rates that suit a transformer are too small for a linear model by this factor.
const RATE_SCALE: f32 = 2_000.0;
/// Larger steps would overshoot, whatever the rate.
const MAX_RATE: f32 = 2.0;
/// Means of a few words are small numbers; this brings margins to the order of 1.
const REWARD_SCALE: f32 = 4.0;
const FILE: &str = "mock.safetensors";

/// A stand-in for a model: linear in hashed words, so it costs next to nothing.
#[derive(Debug, Clone)]
pub struct MockModel {
    settings: OpenSettings,
    info: ModelInfo,
    weights: Vec<f32>,
    velocity: Vec<f32>,
    delay: Duration,
}

impl MockModel {
    /// A model with small random weights keyed by the settings' `rng_seed`.
    #[must_use]
    pub fn new(settings: &OpenSettings) -> Self {
        let place = Place::new(settings.rng_seed, Purpose::Mock);
        let delay_us = std::env::var(DELAY_VARIABLE).ok().and_then(|text| text.parse().ok());
        Self {
            settings: settings.clone(),
            info: ModelInfo {
                family: "mock".into(),
                n_parameters: N_FEATURES as u64,
                max_tokens: settings.max_tokens,
                precision: "f32".into(),
                device: "cpu, 1 thread".into(),
                chat_template: None,
            },
            weights: (0..N_FEATURES).map(|i| 0.01 * place.normal(i as u64) as f32).collect(),
            velocity: vec![0.0; N_FEATURES],
            delay: Duration::from_micros(delay_us.unwrap_or(0)),
        }
    }

    /// Rewards `[a, b]`.
    fn rewards(&self, pair: &EncodedPair) -> [f32; 2] {
        answers(pair).map(|words| {
            let sum: f32 = words.iter().map(|&word| self.weights[word as usize]).sum();
            REWARD_SCALE * sum / words.len().max(1) as f32
        })
    }

    fn pause(&self, n_pairs: usize) {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay * n_pairs as u32);
        }
    }
}

/// The mock model as an implementation of the engine; it reads no files.
#[derive(Debug, Clone, Copy)]
pub struct Mock;

impl Implementation for Mock {
    fn open(&self, settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError> {
        Ok(Box::new(MockModel::new(settings)))
    }

    fn language_model(
        &self,
        _: &OpenSettings,
    ) -> Result<Result<Box<dyn CausalLm>, NoLikelihood>, EngineError> {
        Ok(Err(NoLikelihood::Mock))
    }

    fn plan(&self, _: &OpenSettings, _: Load) -> Result<Option<MemoryPlan>, EngineError> {
        Ok(None)
    }
}

/// The words of both answers.
fn answers(pair: &EncodedPair) -> [&[u32]; 2] {
    let [start_a, start_b] = pair.answer_start;
    [&pair.tokens_a[start_a..], &pair.tokens_b[start_b..]]
}

/// Loss and its derivative at a margin.
fn loss_and_slope(loss: Loss, margin: f32) -> (f32, f32) {
    match loss {
        Loss::BradleyTerry => {
            let value = (-margin).max(0.0) + (-margin.abs()).exp().ln_1p();
            (value, -1.0 / (1.0 + margin.exp()))
        }
        Loss::Hinge { target_margin } if margin < target_margin => (target_margin - margin, -1.0),
        Loss::Hinge { .. } => (0.0, 0.0),
    }
}

/// The same for a label that is right with probability `q`.
fn expected_loss(loss: Loss, q: f32, margin: f32) -> (f32, f32) {
    let (value, slope) = loss_and_slope(loss, margin);
    let (other, other_slope) = loss_and_slope(loss, -margin);
    (q * value + (1.0 - q) * other, q * slope - (1.0 - q) * other_slope)
}

impl Trainable for MockModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn reset_optimizer(&mut self) {
        self.velocity.fill(0.0);
    }

    fn save(&self, dir: &Path) -> Result<(), EngineError> {
        let shape: &[usize] = &[N_FEATURES];
        write_tensors(
            &dir.join(FILE),
            &[("weights".into(), shape, &self.weights), ("velocity".into(), shape, &self.velocity)],
        )
    }

    fn load(&mut self, dir: &Path) -> Result<(), EngineError> {
        let path = dir.join(FILE);
        let mut tensors = read_tensors(&path)?;
        let mut take = |name: &str| {
            tensors
                .remove(name)
                .map(|tensor| tensor.values)
                .filter(|values| values.len() == N_FEATURES)
                .ok_or_else(|| broken(&path, format!("`{name}` is missing or misshapen")))
        };
        let (weights, velocity) = (take("weights")?, take("velocity")?);
        (self.weights, self.velocity) = (weights, velocity);
        Ok(())
    }

    fn weights_digest(&self) -> String {
        digest_floats([self.weights.as_slice()])
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        Ok(Vec::new())
    }
}

impl RewardModel for MockModel {
    fn encode(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        let words = |text: &str| -> Vec<u32> {
            text.split_whitespace()
                .map(|word| (text_hash(word) % N_FEATURES as u64) as u32)
                .collect()
        };
        Ok(pairs
            .iter()
            .map(|pair| {
                let prompt = words(pair.prompt);
                let mut answers = [words(pair.response_a), words(pair.response_b)];
                let max_tokens = self.info.max_tokens.max(1);
                let mut n_answer_tokens_cut = 0;
                for answer in &mut answers {
                    n_answer_tokens_cut += answer.len().saturating_sub(max_tokens);
                    answer.truncate(max_tokens);
                }
                let longest = answers[0].len().max(answers[1].len());
                let n_kept = prompt.len().min(max_tokens - longest);
                let prompt_kept = &prompt[prompt.len() - n_kept..];
                EncodedPair {
                    tokens_a: [prompt_kept, &answers[0]].concat(),
                    tokens_b: [prompt_kept, &answers[1]].concat(),
                    n_shared: 0,
                    answer_start: [n_kept, n_kept],
                    n_prompt_tokens_cut: prompt.len() - n_kept,
                    n_answer_tokens_cut,
                }
            })
            .collect())
    }

    fn encode_written(&self, texts: &[WrittenText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        let form = &TextForm::Whole;
        let doubled = |&WrittenText { prompt, answer }: &_| PairText {
            form,
            prompt,
            response_a: answer,
            response_b: answer,
        };
        self.encode(&texts.iter().map(doubled).collect::<Vec<_>>())
    }

    fn train_step(
        &mut self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError> {
        let mut gradient = vec![0.0_f32; N_FEATURES];
        let (mut loss_sum, mut n_correct, mut n_tokens) = (0.0_f32, 0, 0);
        let share = 1.0 / batch.len().max(1) as f32;
        for LabeledPair { pair, preferred, claim } in batch {
            let [reward_a, reward_b] = self.rewards(pair);
            let sign = if *preferred == Side::A { 1.0 } else { -1.0 };
            let margin = sign * (reward_a - reward_b);
            let (loss, slope) = match claim {
                Claim::Certain => loss_and_slope(settings.loss, margin),
                Claim::Probable(q) => expected_loss(settings.loss, *q, margin),
            };
            loss_sum += loss * share;
            n_correct += u32::from(margin > 0.0);
            n_tokens += pair.n_tokens() as u64;
            for (words, side) in answers(pair).into_iter().zip([sign, -sign]) {
                let step = side * slope * share * REWARD_SCALE / words.len().max(1) as f32;
                for &word in words {
                    gradient[word as usize] += step;
                }
            }
        }
        let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        for (what, value) in [("loss", loss_sum), ("gradient norm", norm)] {
            if !value.is_finite() {
                return Err(EngineError::NonFinite { what, value });
            }
        }
        let clipped = settings.clip_norm > 0.0 && norm > settings.clip_norm;
        let scale = if clipped { settings.clip_norm / norm } else { 1.0 };
        let rate = (settings.learning_rate * RATE_SCALE).min(MAX_RATE);
        for ((weight, velocity), g) in self.weights.iter_mut().zip(&mut self.velocity).zip(gradient)
        {
            *velocity = MOMENTUM * *velocity + scale * g;
            *weight -= rate * (*velocity + settings.weight_decay * *weight / RATE_SCALE);
        }
        self.pause(batch.len());
        Ok(StepReport { loss: loss_sum, gradient_norm: norm, n_correct, n_tokens })
    }

    fn score(&mut self, pairs: &[&EncodedPair]) -> Result<Vec<[f32; 2]>, EngineError> {
        self.pause(pairs.len());
        let rewards: Vec<[f32; 2]> = pairs.iter().map(|pair| self.rewards(pair)).collect();
        match rewards.iter().flatten().find(|reward| !reward.is_finite()) {
            Some(&value) => Err(EngineError::NonFinite { what: "reward", value }),
            None => Ok(rewards),
        }
    }

    fn restart(&mut self) -> Result<(), EngineError> {
        *self = Self::new(&self.settings);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Backbone;

    const SETTINGS: StepSettings = StepSettings {
        loss: Loss::BradleyTerry,
        learning_rate: 1e-4,
        weight_decay: 0.01,
        clip_norm: 1.0,
        dropout: 0.0,
        dropout_key: 0,
    };

    fn model() -> MockModel {
        MockModel::new(&OpenSettings { n_threads: 1, ..OpenSettings::new(Backbone::Mock, 32, 5) })
    }

    /// Answers with a good word against answers with a bad one, among noise words.
    fn examples(model: &MockModel, first: u64, n: u64) -> (Vec<EncodedPair>, Vec<Side>) {
        let place = Place::new(first, Purpose::Mock);
        let mut texts = Vec::new();
        let mut sides = Vec::new();
        for i in 0..n {
            let noise = |j: u64| format!("noise{}", place.below(10 * i + j, 40));
            let answer = |word: &str, j| format!("{} {word} {}", noise(j), noise(j + 1));
            let good_is_a = place.bits(10 * i + 9) & 1 == 0;
            let (a, b) = if good_is_a { ("kind", "rude") } else { ("rude", "kind") };
            texts.push([answer(a, 0), answer(b, 3)]);
            sides.push(if good_is_a { Side::A } else { Side::B });
        }
        let pairs: Vec<PairText<'_>> =
            texts.iter().map(|[a, b]| PairText::dialogue("say it", a, b)).collect();
        (model.encode(&pairs).unwrap(), sides)
    }

    fn accuracy(model: &mut MockModel, (pairs, sides): &(Vec<EncodedPair>, Vec<Side>)) -> f64 {
        let refs: Vec<&EncodedPair> = pairs.iter().collect();
        let rewards = model.score(&refs).unwrap();
        let is_right = |([a, b], side): (&[f32; 2], &Side)| {
            if *side == Side::A { a > b } else { b > a }
        };
        let n_right = rewards.iter().zip(sides).filter(|pair| is_right(*pair)).count();
        n_right as f64 / sides.len() as f64
    }

    fn train(model: &mut MockModel, (pairs, sides): &(Vec<EncodedPair>, Vec<Side>)) -> StepReport {
        let labeled: Vec<LabeledPair<'_>> = pairs
            .iter()
            .zip(sides)
            .map(|(pair, &preferred)| LabeledPair::certain(pair, preferred))
            .collect();
        let reports = labeled.chunks(8).map(|batch| model.train_step(batch, &SETTINGS).unwrap());
        reports.last().unwrap()
    }

    #[test]
    fn training_improves_held_out_accuracy() {
        let mut model = model();
        let (training, test) = (examples(&model, 1, 200), examples(&model, 2, 200));
        let before = accuracy(&mut model, &test);
        train(&mut model, &training);
        let after = accuracy(&mut model, &test);
        assert!(before < 0.8 && after > 0.95, "{before} {after}");
    }

    #[test]
    fn a_saved_model_goes_on_exactly() {
        let mut through = model();
        let (first, second) = (examples(&through, 1, 40), examples(&through, 2, 40));
        train(&mut through, &first);
        let dir = tempfile::tempdir().unwrap();
        through.save(dir.path()).unwrap();
        let mut resumed = model();
        assert_ne!(resumed.weights_digest(), through.weights_digest());
        resumed.load(dir.path()).unwrap();
        assert_eq!(resumed.weights_digest(), through.weights_digest());
        let (a, b) = (train(&mut through, &second), train(&mut resumed, &second));
        assert_eq!(a, b);
        assert_eq!(resumed.weights_digest(), through.weights_digest());
        // Momentum is part of the state: without it the next step differs.
        resumed.load(dir.path()).unwrap();
        resumed.reset_optimizer();
        train(&mut resumed, &second);
        assert_ne!(resumed.weights_digest(), through.weights_digest());
    }

    #[test]
    fn a_step_that_is_not_finite_changes_nothing() {
        let mut model = model();
        let examples = examples(&model, 1, 8);
        model.weights[examples.0[0].tokens_a[2] as usize] = f32::NAN;
        let before = model.weights_digest();
        let batch = [LabeledPair::certain(&examples.0[0], Side::A)];
        let error = model.train_step(&batch, &SETTINGS).unwrap_err();
        assert!(matches!(error, EngineError::NonFinite { what: "loss", .. }), "{error}");
        assert_eq!(model.weights_digest(), before);
        assert!(model.score(&[&examples.0[0]]).is_err());
    }

    #[test]
    fn truncation_follows_the_rule_of_real_models() {
        let model = MockModel::new(&OpenSettings {
            n_threads: 1,
            ..OpenSettings::new(Backbone::Mock, 4, 0)
        });
        let pair = PairText::dialogue("a b c", "d e", "f");
        let pair = model.encode(&[pair]).unwrap().remove(0);
        assert_eq!((pair.tokens_a.len(), pair.tokens_b.len()), (4, 3));
        assert_eq!((pair.n_prompt_tokens_cut, pair.answer_start), (1, [2, 2]));
    }
}
