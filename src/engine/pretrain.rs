//! Makes the embedded model: a byte-level BPE tokenizer and a small Llama-architecture language
//! model, both learned from a list of texts, as the files of an ordinary model directory.
//!
//! Everything is a function of the texts and of `rng_seed`, so the files can be reproduced.

use std::path::Path;

use tokenizers::decoders::byte_level::ByteLevel;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainerBuilder};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{AddedToken, TokenizerBuilder, TokenizerImpl};

use crate::domain::random::{Place, Purpose};
use crate::domain::spec::{Loss, ScheduleName};

use super::config::DecoderConfig;
use super::files::weights::write_half_tensors;
use super::open::random_language_model;
use super::schedule::Schedule;
use super::{CausalLm, EngineError, StepSettings};

/// First token of every sequence.
pub const BOS: &str = "<s>";
/// Last token of every sequence; the reward is read at it.
pub const EOS: &str = "</s>";

/// Which small language model is made, from how much training.
#[derive(Debug, Clone, PartialEq)]
pub struct PretrainSettings {
    /// Keys initial weights and order.
    pub rng_seed: u64,
    /// Shape of the model; `vocab_size` is also the tokenizer's.
    pub config: DecoderConfig,
    /// Passes over the texts.
    pub epochs: u32,
    /// Texts of one optimizer step.
    pub batch_texts: usize,
    /// Peak learning rate of a cosine schedule with 2 % warm-up.
    pub learning_rate: f32,
}

/// How far pretraining is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PretrainProgress {
    pub step: u64,
    pub n_steps: u64,
    /// Cross-entropy of the last batch in nats a token.
    pub loss: f32,
    pub n_tokens: u64,
}

/// The shape of the embedded model: about two million parameters, small enough that a whole
/// experiment takes minutes on two cores and the file stays below 6 MB as f16.
#[must_use]
pub fn embedded_shape() -> DecoderConfig {
    DecoderConfig {
        vocab_size: 2048,
        hidden_size: 192,
        intermediate_size: 512,
        n_layers: 4,
        n_heads: 6,
        n_kv_heads: 6,
        head_dim: 32,
        max_positions: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tied_embeddings: true,
        bos_token_id: Some(0),
        eos_token_id: Some(1),
        ..DecoderConfig::default()
    }
}

/// Learns tokenizer and model from `texts` and writes `config.json`, `tokenizer.json`,
/// `tokenizer_config.json` and `model.safetensors` into `dir`.
///
/// # Errors
/// When a file cannot be written, the tokenizer cannot be learned, or training diverges.
pub fn pretrain(
    texts: &[String],
    settings: &PretrainSettings,
    dir: &Path,
    on_step: &mut dyn FnMut(PretrainProgress),
) -> Result<(), EngineError> {
    std::fs::create_dir_all(dir).map_err(EngineError::io("create", dir))?;
    let tokenizer_path = dir.join("tokenizer.json");
    let tokenizer = train_tokenizer(texts, settings.config.vocab_size)
        .map_err(|error| broken_tokenizer(&tokenizer_path, &error))?;
    let json =
        tokenizer.to_string(true).map_err(|error| broken_tokenizer(&tokenizer_path, &error))?;
    write(dir, "tokenizer.json", &json)?;
    write(dir, "tokenizer_config.json", &tokenizer_config())?;
    write(dir, "config.json", &config_json(&settings.config))?;
    let sequences = texts
        .iter()
        .map(|text| {
            let encoding = tokenizer
                .encode_fast(text.as_str(), false)
                .map_err(|error| broken_tokenizer(&tokenizer_path, &error))?;
            let mut ids = vec![0];
            ids.extend_from_slice(encoding.get_ids());
            ids.push(1);
            ids.truncate(settings.config.max_positions);
            Ok(ids)
        })
        .collect::<Result<Vec<Vec<u32>>, EngineError>>()?;
    let model = train_model(&sequences, settings, on_step)?;
    let tensors = model.tensors()?;
    let values: Vec<Vec<f32>> = tensors.iter().map(|tensor| tensor.values.to_f32()).collect();
    let tensors: Vec<(String, &[usize], &[f32])> = tensors
        .iter()
        .zip(&values)
        // A language model has no reward head, so that of the network is left out.
        .filter(|(tensor, _)| !tensor.name.starts_with("score."))
        .map(|(tensor, values)| (tensor.name.to_owned(), tensor.shape, values.as_slice()))
        .collect();
    write_half_tensors(&dir.join("model.safetensors"), &tensors)
}

fn train_model(
    sequences: &[Vec<u32>],
    settings: &PretrainSettings,
    on_step: &mut dyn FnMut(PretrainProgress),
) -> Result<Box<dyn CausalLm>, EngineError> {
    // Threads never change a result.
    let n_threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut model = random_language_model(&settings.config, settings.rng_seed, n_threads)?;
    let steps_per_epoch = sequences.len().div_ceil(settings.batch_texts) as u64;
    let n_steps = steps_per_epoch * u64::from(settings.epochs);
    let schedule = Schedule::new(settings.learning_rate, 0.02, n_steps, ScheduleName::Cosine);
    let mut n_tokens = 0;
    let mut step = 0;
    for epoch in 0..settings.epochs {
        let place = Place::new(settings.rng_seed, Purpose::Pretraining).at(0, epoch);
        let order = place.permutation(sequences.len());
        for batch in order.chunks(settings.batch_texts) {
            let batch: Vec<Vec<u32>> =
                batch.iter().map(|index| sequences[*index as usize].clone()).collect();
            let report = model.next_token_step(
                &batch,
                &StepSettings {
                    loss: Loss::BradleyTerry,
                    learning_rate: schedule.learning_rate(step),
                    weight_decay: 0.1,
                    clip_norm: 1.0,
                    dropout: 0.0,
                    dropout_key: 0,
                },
            )?;
            step += 1;
            n_tokens += report.n_tokens;
            on_step(PretrainProgress { step, n_steps, loss: report.loss, n_tokens });
        }
    }
    Ok(model)
}

type ByteLevelBpe = TokenizerImpl<
    BPE,
    tokenizers::NormalizerWrapper,
    tokenizers::pre_tokenizers::byte_level::ByteLevel,
    tokenizers::PostProcessorWrapper,
    ByteLevel,
>;

/// A byte-level BPE tokenizer: any text can be encoded, and decoding gives it back.
fn train_tokenizer(texts: &[String], vocab_size: usize) -> tokenizers::Result<ByteLevelBpe> {
    let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
    let special = [AddedToken::from(BOS, true), AddedToken::from(EOS, true)];
    let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(vocab_size)
        .special_tokens(special.to_vec())
        .initial_alphabet(alphabet.into_iter().collect())
        .build()
        .into();
    let TrainerWrapper::BpeTrainer(trainer) = &mut trainer else {
        return Err("the builder made another trainer".into());
    };
    let mut tokenizer: ByteLevelBpe = TokenizerBuilder::new()
        .with_model(BPE::default())
        .with_normalizer(None)
        .with_pre_tokenizer(Some(
            tokenizers::pre_tokenizers::byte_level::ByteLevel::default().add_prefix_space(false),
        ))
        .with_post_processor(Some(beginning()?.into()))
        .with_decoder(Some(ByteLevel::default()))
        .build()?;
    tokenizer.train(trainer, texts.iter())?;
    Ok(tokenizer)
}

/// Puts [`BOS`] before every text, for every program that reads `tokenizer.json`.
fn beginning() -> tokenizers::Result<TemplateProcessing> {
    let template = TemplateProcessing::builder()
        .try_single(format!("{BOS} $A"))?
        .try_pair(format!("{BOS} $A $B"))?
        .special_tokens(vec![(BOS, 0)])
        .build()?;
    Ok(template)
}

fn broken_tokenizer(path: &Path, error: &tokenizers::Error) -> EngineError {
    EngineError::BrokenTokenizer { path: path.to_path_buf(), detail: error.to_string() }
}

fn config_json(config: &DecoderConfig) -> String {
    let value = serde_json::json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.n_layers,
        "num_attention_heads": config.n_heads,
        "num_key_value_heads": config.n_kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_positions,
        "hidden_act": "silu",
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "rope_scaling": null,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": config.tied_embeddings,
        "bos_token_id": config.bos_token_id,
        "eos_token_id": config.eos_token_id,
        "torch_dtype": "float16",
    });
    format!("{value:#}\n")
}

fn tokenizer_config() -> String {
    let value = serde_json::json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BOS,
        "eos_token": EOS,
        "pad_token": EOS,
        "clean_up_tokenization_spaces": false,
    });
    format!("{value:#}\n")
}

fn write(dir: &Path, name: &str, text: &str) -> Result<(), EngineError> {
    let path = dir.join(name);
    std::fs::write(&path, text).map_err(EngineError::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tiny_model_learns_and_can_be_made_again() {
        let texts: Vec<String> =
            (0..64).map(|i| format!("\n\nHuman: say {}\n\nAssistant: {}", i % 4, i % 4)).collect();
        let config = DecoderConfig {
            vocab_size: 300,
            hidden_size: 32,
            intermediate_size: 48,
            n_layers: 2,
            n_heads: 2,
            n_kv_heads: 1,
            head_dim: 16,
            ..embedded_shape()
        };
        let settings = PretrainSettings {
            rng_seed: 5,
            config,
            epochs: 6,
            batch_texts: 8,
            learning_rate: 3e-3,
        };
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut losses = Vec::new();
        pretrain(&texts, &settings, first.path(), &mut |p| losses.push(p.loss)).unwrap();
        pretrain(&texts, &settings, second.path(), &mut |_| ()).unwrap();
        assert!(losses[losses.len() - 1] < losses[0] * 0.5, "{losses:?}");
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"]
        {
            let bytes = |dir: &Path| std::fs::read(dir.join(name)).unwrap();
            assert_eq!(bytes(first.path()), bytes(second.path()), "{name} differs");
        }
        let summary = crate::engine::files::weights::ModelFiles::check(first.path()).unwrap();
        assert_eq!((summary.vocab_size, summary.n_layers), (300, 2));
    }
}
