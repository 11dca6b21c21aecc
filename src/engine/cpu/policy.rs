//! [`CpuPolicy`]: a decoder whose answers are trained on.
//!
//! A prompt is computed once with all answers to it. Logits exist for a few rows at a time: a first
//! pass over them gives the log-probabilities, from which the objective takes its slopes, and a second
//! turns them into gradients. The reward head of the network serves as the value head.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::Path;

use super::batch::Batch;
use super::dropout::Dropout;
use super::kernel::cross_entropy::{Chosen, Normalizer, chosen_gradient, normalize};
use super::kernel::vector::math::fit;
use super::kernel::{Linear, Write};
use super::language_model::LanguageModel;
use super::micro_batch::{cut, running_sums};
use super::model::device_name;
use super::network::Transformer;
use super::network::context::{Context, Pass, Reading};
use super::network::workspace::Workspace;
use super::parameters::Parameters;
use super::persistence;
use super::trainer::{Running, Trainer, Update};
use crate::engine::files::stored::StoredTensors;
use crate::engine::files::weights::{ModelFiles, write_tensors};
use crate::engine::generation::{GenerationSettings, Listener};
use crate::engine::policy::{
    AnswerScores, AnswerSlopes, AnswersTo, Policy, PolicyStepReport, SlopesOf, Speaker,
};
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{EngineError, ModelInfo, ModelTensor, OpenSettings, StepSettings, Trainable};

/// Rows whose logits are in memory at a time: `[128, vocabulary]` in place of a row for each token.
const LOGIT_ROWS: usize = 128;

/// The file of the reference's weights, beside those of the policy.
const REFERENCE: &str = "reference.safetensors";

/// A policy on the CPU.
#[derive(Debug)]
pub struct CpuPolicy {
    info: ModelInfo,
    model: LanguageModel,
    reference: Reference,
    /// The digest of the weights as they are; empty after they were changed.
    digest: OnceCell<String>,
}

/// The trained values that a reference pass reads in place of the policy's. Under low-rank adapters
/// these are the adapters alone.
#[derive(Debug)]
struct Reference {
    values: Vec<f32>,
    /// Whether these are the values that the policy was opened with, so that no checkpoint needs them.
    is_as_opened: bool,
}

impl CpuPolicy {
    /// Opens a decoder; low-rank adapters and the value head start from `rng_seed`.
    ///
    /// # Errors
    /// When the system refuses the threads, or a tensor cannot be read.
    pub fn of_files(settings: &OpenSettings, files: &ModelFiles) -> Result<Self, EngineError> {
        let (network, table) =
            Transformer::language_model(&files.config, &settings.tuning, settings.frozen_precision);
        let parameters = Parameters::new(table, settings.rng_seed, &files.weights)?;
        let running = Running {
            n_threads: settings.n_threads,
            precision: settings.precision,
            micro_batch_rows: settings.micro_batch_tokens,
        };
        let trainer = Trainer::new(network, parameters, running)?;
        let info = ModelInfo {
            family: files.config.family().to_owned(),
            n_parameters: trainer.parameters.values.len() as u64,
            max_tokens: settings.max_tokens,
            precision: settings.precision.name().to_owned(),
            device: device_name(trainer.n_threads()),
            chat_template: files.tokenizer.chat_template().map(ChatTemplate::record),
        };
        Ok(Self::new(info, trainer))
    }

    fn new(info: ModelInfo, mut trainer: Trainer) -> Self {
        // Nothing of a policy's trunk is cached, so nothing needs its rounding.
        trainer.network.keep_seam_exact();
        let reference = Reference { values: trainer.parameters.values.clone(), is_as_opened: true };
        Self { info, model: LanguageModel::new(trainer), reference, digest: OnceCell::new() }
    }

    /// Forgets what was computed from the weights.
    fn changed(&mut self) {
        self.digest.take();
        self.model.unpack();
    }

    fn check(&self, prompts: &[AnswersTo<'_>]) -> Result<(), EngineError> {
        let mut buffer = Vec::new();
        for (position, AnswersTo { prompt, answers }) in prompts.iter().enumerate() {
            if prompt.is_empty() {
                let detail = "an empty prompt".to_owned();
                return Err(EngineError::BadAnswers { position, detail });
            }
            for answer in answers {
                buffer.clear();
                buffer.extend_from_slice(prompt);
                buffer.extend_from_slice(answer);
                if let Some(detail) = self.model.trainer.network.sequence_problem(&buffer) {
                    return Err(EngineError::BadAnswers { position, detail });
                }
            }
        }
        Ok(())
    }

    /// Computes what the policy says of all answers and, in a training pass, adds the gradient of the
    /// loss whose slopes `slopes_of` gives. Returns the scores and the loss.
    fn pass(
        &mut self,
        prompts: &[AnswersTo<'_>],
        pass: Pass,
        mut slopes_of: Option<SlopesOf<'_>>,
    ) -> (Vec<AnswerScores>, f64) {
        let trainer = &mut self.model.trainer;
        let longest = prompts.iter().map(AnswersTo::n_packed_tokens).max();
        trainer.network.reserve_positions(longest.unwrap_or(0));
        let sizes: Vec<usize> = prompts.iter().map(AnswersTo::n_packed_tokens).collect();
        let first_numbers = running_sums(&sizes);
        let runs = cut(sizes.into_iter(), trainer.micro_batch_rows());
        trainer.run(|network, maker, gradient, work| {
            let (mut scores, mut loss) = (Vec::new(), 0.0);
            for run in runs {
                let batch = Batch::answers(&prompts[run.clone()], first_numbers[run.start]);
                let mut predictions = Predictions::of(&prompts[run]);
                let cx = maker.context(&batch, pass);
                network.reward(cx, work);
                predictions.read(network, cx, work);
                let range = scores.len()..scores.len() + predictions.lengths.len();
                scores.extend(predictions.scores(&work.rewards));
                if let Some(slopes_of) = &mut slopes_of {
                    let (part, slopes) = slopes_of(range.clone(), &scores[range]);
                    loss += part;
                    predictions.take(&slopes, fit(&mut work.drewards, batch.pooled.len()));
                    predictions.backward(network, cx, gradient, work);
                }
            }
            (scores, loss)
        })
    }

    /// Network, parameters and threads.
    #[cfg(test)]
    pub fn of_trainer(trainer: Trainer) -> Self {
        let info = ModelInfo {
            family: "test".into(),
            n_parameters: 0,
            max_tokens: 0,
            precision: String::new(),
            device: String::new(),
            chat_template: None,
        };
        Self::new(info, trainer)
    }
}

/// Runs of at most [`LOGIT_ROWS`] of `n` rows.
fn chunks(n: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(LOGIT_ROWS).map(move |start| start..n.min(start + LOGIT_ROWS))
}

/// The logits of some rows of the hidden states: `[rows, vocabulary]`.
fn logits<'a>(
    network: &Transformer,
    cx: Context<'_>,
    rows: Range<usize>,
    hidden: &[f32],
    buffer: &'a mut Vec<f32>,
) -> &'a mut [f32] {
    let linear = Linear { input: network.width(), output: network.vocab_size() };
    let hidden = &hidden[rows.start * linear.input..rows.end * linear.input];
    let logits = fit(buffer, rows.len() * linear.output);
    let weight = cx.weights.matrix(network.output_head());
    linear.forward(cx.on, rows.len(), Write::Replace, logits, hidden, weight);
    logits
}

/// The tokens that the read rows of a micro-batch predict. A row at the end of a prompt predicts the
/// first token of every answer to it, every other row one token.
#[derive(Default)]
struct Predictions {
    /// For each row, where its first entry of `chosen` stands; one more at the end.
    starts: Vec<usize>,
    chosen: Vec<Chosen>,
    /// The row of each entry of `chosen`.
    rows: Vec<usize>,
    /// Where each entry of `chosen` stands in the answers' tokens, all answers in order.
    places: Vec<usize>,
    /// Tokens of each answer.
    lengths: Vec<usize>,
    normalizers: Vec<Normalizer>,
    log_probs: Vec<f32>,
}

impl Predictions {
    /// In the order of [`Batch::answers`].
    fn of(prompts: &[AnswersTo<'_>]) -> Self {
        let mut all = Self::default();
        let mut place = 0;
        for AnswersTo { answers, .. } in prompts {
            let firsts = running_sums(&answers.iter().map(|it| it.len()).collect::<Vec<_>>());
            let firsts: Vec<usize> = firsts.into_iter().map(|it| place + it as usize).collect();
            all.starts.push(all.chosen.len());
            for (answer, first) in answers.iter().zip(&firsts) {
                if let Some(token) = answer.first() {
                    all.push(*token, *first);
                }
            }
            for (answer, first) in answers.iter().zip(&firsts) {
                for (i, token) in answer.iter().enumerate().skip(1) {
                    all.starts.push(all.chosen.len());
                    all.push(*token, first + i);
                }
                all.lengths.push(answer.len());
                place += answer.len();
            }
        }
        all.normalizers.resize(all.starts.len(), Normalizer::default());
        all.log_probs.resize(all.chosen.len(), 0.0);
        all.starts.push(all.chosen.len());
        all
    }

    /// Adds a token that the newest row predicts.
    fn push(&mut self, token: u32, place: usize) {
        self.chosen.push(Chosen { token, slope: 0.0 });
        self.rows.push(self.starts.len() - 1);
        self.places.push(place);
    }

    fn n_rows(&self) -> usize {
        self.normalizers.len()
    }

    /// Computes log-probabilities and entropies from `work.hidden`.
    fn read(&mut self, network: &Transformer, cx: Context<'_>, work: &mut Workspace) {
        let linear = Linear { input: network.width(), output: network.vocab_size() };
        for rows in chunks(self.n_rows()) {
            let logits = logits(network, cx, rows.clone(), &work.hidden, &mut work.logits);
            let normalizers = &mut self.normalizers[rows.clone()];
            normalize(cx.team(), logits, normalizers);
            for i in self.starts[rows.start]..self.starts[rows.end] {
                let row = self.rows[i] - rows.start;
                let logit = logits[row * linear.output + self.chosen[i].token as usize];
                self.log_probs[i] = logit - normalizers[row].log_sum;
            }
        }
    }

    /// What was read, by answer; `values` holds one for each row.
    fn scores(&self, values: &[f32]) -> Vec<AnswerScores> {
        let n = self.places.len();
        let first = self.places.iter().min().copied().unwrap_or(0);
        let mut all = vec![(0.0, 0.0, 0.0); n];
        for i in 0..n {
            let row = self.rows[i];
            all[self.places[i] - first] =
                (self.log_probs[i], self.normalizers[row].entropy, values[row]);
        }
        let mut rest = all.as_slice();
        let of_answer = |n: &usize| {
            let (own, after) = rest.split_at(*n);
            rest = after;
            AnswerScores {
                log_probs: own.iter().map(|it| it.0).collect(),
                entropies: own.iter().map(|it| it.1).collect(),
                values: own.iter().map(|it| it.2).collect(),
            }
        };
        self.lengths.iter().map(of_answer).collect()
    }

    /// Takes the slopes of the answers: those by values go to `dvalues`, one for each row.
    fn take(&mut self, slopes: &[AnswerSlopes], dvalues: &mut [f32]) {
        let by_log_prob: Vec<f32> =
            slopes.iter().flat_map(|it| it.log_probs.iter().copied()).collect();
        let by_value: Vec<f32> = slopes.iter().flat_map(|it| it.values.iter().copied()).collect();
        dvalues.fill(0.0);
        for (i, place) in self.places.iter().enumerate() {
            self.chosen[i].slope = by_log_prob.get(*place).copied().unwrap_or(0.0);
            dvalues[self.rows[i]] += by_value.get(*place).copied().unwrap_or(0.0);
        }
    }

    /// Adds the gradients of everything trained.
    fn backward(
        &mut self,
        network: &Transformer,
        cx: Context<'_>,
        gradient: &mut [f32],
        work: &mut Workspace,
    ) {
        let slot = network.output_head();
        let linear = Linear { input: network.width(), output: network.vocab_size() };
        // Writes the gradient of all hidden states, to which that of the logits is added.
        network.head_backward(cx, gradient, work);
        for rows in chunks(self.n_rows()) {
            let logits = logits(network, cx, rows.clone(), &work.hidden, &mut work.logits);
            let (starts, chosen) = (&self.starts[rows.start..], &self.chosen);
            let of_row = |row: usize| &chosen[starts[row]..starts[row + 1]];
            chosen_gradient(cx.team(), logits, &mut self.normalizers[rows.clone()], of_row);
            let range = rows.start * linear.input..rows.end * linear.input;
            let dhidden = &mut work.dhidden[range.clone()];
            let weight = cx.weights.matrix(slot);
            linear.input_gradient(cx.on, rows.len(), Write::Add, dhidden, logits, weight);
            if let Some(dmatrix) = slot.gradient(gradient) {
                linear.weight_gradient(cx.on, rows.len(), dmatrix, logits, &work.hidden[range]);
            }
        }
        network.hidden_backward(cx, gradient, work);
    }
}

impl Trainable for CpuPolicy {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn reset_optimizer(&mut self) {
        self.model.trainer.parameters.reset_optimizer();
    }

    fn save(&self, dir: &Path) -> Result<(), EngineError> {
        let parameters = &self.model.trainer.parameters;
        persistence::save(parameters, dir)?;
        if self.reference.is_as_opened {
            return Ok(());
        }
        let tensors: Vec<_> = parameters
            .trained()
            .map(|entry| {
                let values = entry.slot.span.of(&self.reference.values);
                (entry.name.clone(), entry.shape.as_slice(), values)
            })
            .collect();
        write_tensors(&dir.join(REFERENCE), &tensors)
    }

    fn load(&mut self, dir: &Path) -> Result<(), EngineError> {
        self.changed();
        let path = dir.join(REFERENCE);
        let stored = if path.exists() { Some(StoredTensors::open(&path)?) } else { None };
        let parameters = &mut self.model.trainer.parameters;
        if let Some(stored) = &stored {
            for entry in parameters.table.entries().iter().filter(|it| it.slot.is_trained()) {
                stored.read(&entry.name, entry.slot.span.of_mut(&mut self.reference.values))?;
            }
            self.reference.is_as_opened = false;
        }
        persistence::load(parameters, dir)
    }

    fn weights_digest(&self) -> String {
        self.digest.get_or_init(|| self.model.trainer.parameters.digest()).clone()
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        Ok(self.model.trainer.parameters.tensors())
    }
}

impl Policy for CpuPolicy {
    fn scores(
        &mut self,
        prompts: &[AnswersTo<'_>],
        speaker: Speaker,
    ) -> Result<Vec<AnswerScores>, EngineError> {
        self.check(prompts)?;
        let swap = |policy: &mut Self| {
            std::mem::swap(
                &mut policy.model.trainer.parameters.values,
                &mut policy.reference.values,
            );
        };
        if speaker == Speaker::Reference {
            swap(self);
        }
        let (scores, _) = self.pass(prompts, Pass::scoring(), None);
        if speaker == Speaker::Reference {
            swap(self);
        }
        let values = scores.iter().flat_map(|it| it.log_probs.iter().chain(&it.values));
        match values.copied().find(|value| !value.is_finite()) {
            Some(value) => Err(EngineError::NonFinite { what: "log-probability", value }),
            None => Ok(scores),
        }
    }

    fn train_step(
        &mut self,
        prompts: &[AnswersTo<'_>],
        slopes_of: SlopesOf<'_>,
        settings: &StepSettings,
    ) -> Result<PolicyStepReport, EngineError> {
        self.check(prompts)?;
        self.changed();
        let dropout = Dropout::new(settings.dropout, settings.dropout_key);
        let (_, loss) =
            self.pass(prompts, Pass::training(Reading::Pooled, dropout), Some(slopes_of));
        let gradient_norm = self.model.trainer.update(loss, Update::from(settings))?;
        let n_tokens = prompts.iter().map(|it| it.n_packed_tokens() as u64).sum();
        Ok(PolicyStepReport { loss: loss as f32, gradient_norm, n_tokens })
    }

    fn generate(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError> {
        self.model.answer_prompts(prompts, settings, listener)
    }

    fn set_reference(&mut self) {
        self.reference.values.copy_from_slice(&self.model.trainer.parameters.values);
        self.reference.is_as_opened = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::Tuning;
    use crate::engine::cpu::tests::support::{is_decoder, lora, settings, tuned_language_model};
    use crate::engine::fixture::FAMILIES;

    fn decoders() -> impl Iterator<Item = &'static str> {
        FAMILIES.iter().copied().filter(|family| is_decoder(family))
    }

    fn policy(family: &str, tuning: &Tuning) -> CpuPolicy {
        let mut trainer = tuned_language_model(family, tuning);
        // Adapters that have not been trained add nothing and pass no gradient on.
        for (i, value) in trainer.parameters.values.iter_mut().enumerate() {
            *value += 0.05 * (i as f32 * 0.7).sin();
        }
        CpuPolicy::of_trainer(trainer)
    }

    /// Two prompts with answers of several lengths, one of them empty and two alike.
    fn tokens() -> [(Vec<u32>, Vec<Vec<u32>>); 2] {
        [
            (vec![1, 5, 9, 2], vec![vec![3, 4, 8], vec![], vec![7], vec![3, 4, 8], vec![6, 6]]),
            (vec![4], vec![vec![2, 9, 9, 1, 5]]),
        ]
    }

    fn prompts(tokens: &[(Vec<u32>, Vec<Vec<u32>>)]) -> Vec<AnswersTo<'_>> {
        let mut prompts = Vec::new();
        for (prompt, answers) in tokens {
            let answers = answers.iter().map(Vec::as_slice).collect();
            prompts.push(AnswersTo { prompt, answers });
        }
        prompts
    }

    #[test]
    fn answers_that_share_a_prompt_score_like_answers_alone() {
        for family in decoders() {
            let mut policy = policy(family, &Tuning::Full);
            let tokens = tokens();
            let together = policy.scores(&prompts(&tokens), Speaker::Policy).unwrap();
            let mut alone = Vec::new();
            for (prompt, answers) in &tokens {
                for answer in answers {
                    let one = [AnswersTo { prompt, answers: vec![answer] }];
                    alone.extend(policy.scores(&one, Speaker::Policy).unwrap());
                }
            }
            assert_eq!(together.len(), 6);
            for (together, alone) in together.iter().zip(&alone) {
                let of = |it: &AnswerScores| {
                    [it.log_probs.clone(), it.entropies.clone(), it.values.clone()].concat()
                };
                let (together, alone) = (of(together), of(alone));
                assert_eq!(together.len(), alone.len());
                for (a, b) in together.iter().zip(&alone) {
                    assert!((a - b).abs() < 2e-5, "{family}: {a} {b}");
                }
            }
            assert_eq!(together[0].log_probs, together[3].log_probs, "the same answer");
            assert!(together[0].entropies.iter().all(|it| *it > 0.0));
        }
    }

    /// A loss in which log-probabilities and values are mixed.
    fn slopes(_: Range<usize>, scores: &[AnswerScores]) -> (f64, Vec<AnswerSlopes>) {
        let of = |(i, score): (usize, &AnswerScores)| {
            let weight = 0.3 + i as f32;
            let log_probs = score.log_probs.iter().map(|x| 2.0 * weight * x).collect();
            AnswerSlopes { log_probs, values: vec![0.7 * weight; score.values.len()] }
        };
        (loss_of(scores), scores.iter().enumerate().map(of).collect())
    }

    fn loss_of(scores: &[AnswerScores]) -> f64 {
        let of = |(i, score): (usize, &AnswerScores)| {
            let weight = f64::from(0.3 + i as f32);
            let squares: f64 = score.log_probs.iter().map(|x| f64::from(*x).powi(2)).sum();
            let values: f64 = score.values.iter().map(|v| 0.7 * f64::from(*v)).sum();
            weight * (squares + values)
        };
        scores.iter().enumerate().map(of).sum()
    }

    #[test]
    fn the_gradient_agrees_with_a_difference_along_it() {
        for family in decoders() {
            for tuning in [Tuning::Full, lora(0.0), Tuning::TopLayers(1)] {
                let mut policy = policy(family, &tuning);
                let tokens = tokens();
                let prompts = prompts(&tokens);
                let training = Pass::training(Reading::Pooled, Dropout::off());
                let (_, loss) = policy.pass(&prompts, training, Some(&mut slopes));
                let slope = policy.model.trainer.parameters.gradient.clone();
                policy.model.trainer.parameters.gradient.fill(0.0);
                let start = policy.model.trainer.parameters.values.clone();
                let square: f64 = slope.iter().map(|g| f64::from(*g).powi(2)).sum();
                let step = 2e-3 / square.sqrt();
                let mut at = |sign: f64| {
                    let values = &mut policy.model.trainer.parameters.values;
                    for ((value, start), slope) in values.iter_mut().zip(&start).zip(&slope) {
                        *value = (f64::from(*start) + sign * step * f64::from(*slope)) as f32;
                    }
                    loss_of(&policy.scores(&prompts, Speaker::Policy).unwrap())
                };
                let rise = at(1.0) - at(-1.0);
                let error = (rise / (2.0 * step) / square - 1.0).abs();
                assert!(error < 5e-3, "{family} {tuning:?}: {error}");
                assert!((at(0.0) / loss - 1.0).abs() < 1e-5, "{family}");
            }
        }
    }

    /// The ratio of a first step is 1: what was said of a token when it was drawn is what a training
    /// pass says of it, also after the weights have changed.
    #[test]
    fn sampled_log_probabilities_are_those_of_the_training_pass() {
        for family in decoders() {
            for tuning in [Tuning::Full, lora(0.0)] {
                let mut policy = policy(family, &tuning);
                let tokens = tokens();
                policy.train_step(&prompts(&tokens), &mut slopes, &settings(1e-3)).unwrap();
                let asked: Vec<&[u32]> =
                    tokens.iter().map(|(prompt, _)| prompt.as_slice()).collect();
                let mut settings = GenerationSettings::new(7, 16, 3);
                settings.n_answers = 3;
                let mut answers = Vec::new();
                policy.generate(&asked, &settings, &mut answers).unwrap();
                answers.sort_by_key(|it| it.place);
                assert_eq!(answers.len(), 6);
                let groups: Vec<AnswersTo<'_>> = asked
                    .iter()
                    .zip(answers.chunks(3))
                    .map(|(prompt, answers)| AnswersTo {
                        prompt,
                        answers: answers.iter().map(|it| it.tokens.as_slice()).collect(),
                    })
                    .collect();
                let scores = policy.scores(&groups, Speaker::Policy).unwrap();
                for (answer, score) in answers.iter().zip(&scores) {
                    for (sampled, now) in answer.log_probabilities.iter().zip(&score.log_probs) {
                        let ratio = (now - sampled).exp();
                        assert!((ratio - 1.0).abs() < 1e-5, "{family} {tuning:?}: {ratio}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_reference_stays_where_it_was_and_is_restored() {
        let tokens = tokens();
        let prompts = prompts(&tokens);
        let mut policy = policy("llama", &lora(0.0));
        let before = policy.scores(&prompts, Speaker::Policy).unwrap();
        let settings = settings(1e-2);
        policy.train_step(&prompts, &mut slopes, &settings).unwrap();
        let after = policy.scores(&prompts, Speaker::Policy).unwrap();
        assert_ne!(before, after);
        assert_eq!(policy.scores(&prompts, Speaker::Reference).unwrap(), before);
        policy.set_reference();
        policy.train_step(&prompts, &mut slopes, &settings).unwrap();
        let dir = tempfile::tempdir().unwrap();
        policy.save(dir.path()).unwrap();
        let mut other = self::policy("llama", &lora(0.0));
        other.load(dir.path()).unwrap();
        assert_eq!(other.weights_digest(), policy.weights_digest());
        for policy in [&mut policy, &mut other] {
            assert_eq!(policy.scores(&prompts, Speaker::Reference).unwrap(), after);
            // The optimizer's moments go on, too.
            policy.train_step(&prompts, &mut slopes, &settings).unwrap();
        }
        assert_eq!(other.weights_digest(), policy.weights_digest());
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_changes_nothing() {
        let mut policy = policy("llama", &Tuning::Full);
        let far = [policy.model.trainer.network.vocab_size() as u32];
        for (prompt, answer, said) in [
            ([].as_slice(), [3].as_slice(), "an empty prompt"),
            (&[1], &far, "but the vocabulary has"),
        ] {
            let good = AnswersTo { prompt: &[1], answers: vec![&[2]] };
            let bad = [good, AnswersTo { prompt, answers: vec![answer] }];
            let digest = policy.weights_digest();
            let error = policy.train_step(&bad, &mut slopes, &settings(1.0)).unwrap_err();
            assert!(matches!(error, EngineError::BadAnswers { position: 1, .. }));
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(policy.weights_digest(), digest);
        }
    }

    #[test]
    fn the_likelihood_of_answers_rises_when_it_is_trained() {
        let tokens = tokens();
        let prompts = prompts(&tokens);
        let mut policy = policy("llama", &Tuning::Full);
        let sum = |scores: &[AnswerScores]| -> f64 {
            scores.iter().flat_map(|it| &it.log_probs).map(|it| f64::from(*it)).sum()
        };
        let before = sum(&policy.scores(&prompts, Speaker::Policy).unwrap());
        let mut fine_tune = |_: Range<usize>, scores: &[AnswerScores]| {
            let slopes = |it: &AnswerScores| AnswerSlopes {
                log_probs: vec![-1.0 / 14.0; it.log_probs.len()],
                values: Vec::new(),
            };
            (-sum(scores) / 14.0, scores.iter().map(slopes).collect())
        };
        for _ in 0..30 {
            policy.train_step(&prompts, &mut fine_tune, &settings(5e-3)).unwrap();
        }
        let after = sum(&policy.scores(&prompts, Speaker::Policy).unwrap());
        assert!(after > 0.5 * before, "{before} {after}");
    }
}
