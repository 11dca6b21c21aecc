//! What the engine promises beside the right numbers: independence of sharing, neighbors and
//! threads; all-or-nothing steps; exact continuation; learning.

use super::differences::relative_error;
use super::support::{
    FAMILIES, cases, decoder_config, labeled, random, random_pairs, settings, tiny,
};
use crate::domain::preference::Side;
use crate::domain::spec::Loss;
use crate::engine::config::{
    DecoderConfig, EncoderConfig, EncoderFamily, ModelConfig, RelativePositions,
};
use crate::engine::cpu::persistence;
use crate::engine::cpu::trainer::{Running, Trainer};
use crate::engine::files::tuned_files;
use crate::engine::{EncodedPair, EngineError, LabeledPair, StepSettings};

pub fn first_preferred(pairs: &[EncodedPair]) -> Vec<LabeledPair<'_>> {
    pairs
        .iter()
        .enumerate()
        .map(|(i, pair)| LabeledPair::certain(pair, if i % 3 == 1 { Side::B } else { Side::A }))
        .collect()
}

fn gradient(trainer: &mut Trainer, pairs: &[EncodedPair], settings: &StepSettings) -> Vec<f32> {
    trainer.accumulate(&first_preferred(pairs), settings);
    let gradient = trainer.parameters.gradient.clone();
    trainer.parameters.gradient.fill(0.0);
    gradient
}

#[test]
fn a_shared_prefix_gives_the_rewards_and_gradients_of_separate_sequences() {
    let mut trainer = tiny("llama", 1);
    let shared = random_pairs("llama", 9);
    let separate: Vec<EncodedPair> =
        shared.iter().map(|pair| EncodedPair { n_shared: 0, ..pair.clone() }).collect();
    let score = |trainer: &mut Trainer, pairs: &[EncodedPair]| {
        let rewards = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
        rewards.as_flattened().to_vec()
    };
    let (a, b) = (score(&mut trainer, &shared), score(&mut trainer, &separate));
    assert!(relative_error(&a, &b) < 1e-6, "{}", relative_error(&a, &b));
    let a = gradient(&mut trainer, &shared, &settings(0.0));
    let b = gradient(&mut trainer, &separate, &settings(0.0));
    assert!(relative_error(&a, &b) < 1e-5, "{}", relative_error(&a, &b));
}

#[test]
fn a_reward_does_not_depend_on_the_pairs_beside_it() {
    for family in FAMILIES {
        let mut trainer = tiny(family, 2);
        let pairs = random_pairs(family, 40);
        let together = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
        for (pair, expected) in pairs.iter().zip(&together) {
            let alone = trainer.score(&[pair]).unwrap();
            for (a, b) in alone[0].iter().zip(expected) {
                assert!((a - b).abs() <= 1e-6, "{family}: {a} {b}");
            }
        }
    }
}

#[test]
fn at_real_widths_a_reward_is_bit_equal_alone_and_together() {
    let llama = ModelConfig::Decoder(DecoderConfig { n_layers: 2, ..decoder_config() });
    let bert = ModelConfig::Encoder(EncoderConfig {
        vocab_size: 60,
        hidden_size: 96,
        intermediate_size: 384,
        n_layers: 2,
        n_heads: 3,
        max_positions: 40,
        type_vocab_size: 2,
        layer_norm_eps: 1e-12,
        ..EncoderConfig::default()
    });
    let deberta = ModelConfig::Encoder(EncoderConfig {
        family: EncoderFamily::DebertaV2,
        vocab_size: 60,
        hidden_size: 96,
        intermediate_size: 384,
        n_heads: 3,
        max_positions: 40,
        has_position_table: false,
        type_vocab_size: 0,
        relative: Some(RelativePositions { n_buckets: 8, max_distance: 40, has_norm: true }),
        ..EncoderConfig::default()
    });
    for (family, config) in [("llama", llama), ("bert", bert), ("deberta", deberta)] {
        let mut trainer = random(&config, Running::exact(2));
        let pairs = random_pairs(family, 150);
        let together = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
        for (pair, expected) in pairs.iter().zip(&together) {
            assert_eq!(trainer.score(&[pair]).unwrap()[0], *expected, "{family}");
        }
    }
}

#[test]
fn a_pair_that_does_not_fit_is_refused_by_its_position() {
    for family in FAMILIES {
        let mut trainer = tiny(family, 1);
        let good = random_pairs(family, 3);
        let broken = [
            (EncodedPair { tokens_a: vec![], ..good[2].clone() }, "without tokens"),
            (EncodedPair { tokens_b: vec![50], ..good[2].clone() }, "token `50`"),
            (
                EncodedPair {
                    tokens_a: vec![1, 2],
                    tokens_b: vec![3, 2],
                    n_shared: 1,
                    ..EncodedPair::default()
                },
                "prefix that differs",
            ),
        ];
        for (pair, expected) in broken {
            let message = trainer.score(&[&good[0], &good[1], &pair]).unwrap_err().to_string();
            assert!(message.starts_with("pair 2 ") && message.contains(expected), "{message}");
            let example = LabeledPair::certain(&pair, Side::A);
            assert!(trainer.train_step(&[example], &settings(0.1)).is_err());
            assert_eq!(trainer.parameters.n_steps, 0);
        }
    }
}

#[test]
fn threads_change_no_bit() {
    for family in FAMILIES {
        let pairs = random_pairs(family, 21);
        let settings =
            StepSettings { dropout: 0.1, dropout_key: 8, clip_norm: 1.0, ..settings(1e-2) };
        let digests: Vec<String> = [1, 2, 3]
            .into_iter()
            .map(|n_threads| {
                let mut trainer = tiny(family, n_threads);
                for _ in 0..3 {
                    trainer.train_step(&first_preferred(&pairs), &settings).unwrap();
                }
                let rewards = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
                format!("{} {rewards:?}", trainer.parameters.digest())
            })
            .collect();
        assert_eq!(digests[0], digests[1], "{family}");
        assert_eq!(digests[0], digests[2], "{family}");
    }
}

/// The gradient against the difference along itself, where it is largest against the rounding of
/// `f32`.
pub fn assert_gradient(
    trainer: &mut Trainer,
    pairs: &[EncodedPair],
    settings: &StepSettings,
    what: &str,
) {
    let slope = gradient(trainer, pairs, settings);
    let start = trainer.parameters.values.clone();
    let length = slope.iter().map(|g| f64::from(g * g)).sum::<f64>().sqrt();
    let expected = length * length;
    let mut error_at = |step: f64| {
        let mut loss_at = |sign: f64| {
            for ((value, start), g) in trainer.parameters.values.iter_mut().zip(&start).zip(&slope)
            {
                *value = (f64::from(*start) + sign * step / length * f64::from(*g)) as f32;
            }
            let totals = trainer.accumulate(&first_preferred(pairs), settings);
            trainer.parameters.gradient.fill(0.0);
            totals.loss / pairs.len() as f64
        };
        let difference = (loss_at(1.0) - loss_at(-1.0)) / (2.0 * step / length);
        (difference / expected - 1.0).abs()
    };
    // A rectifier may bend within the larger step.
    let error = error_at(2e-3).min(error_at(4e-4));
    assert!(error < 3e-3, "{what}, dropout {}: {error}", settings.dropout);
    trainer.parameters.values = start;
}

#[test]
fn eight_pairs_are_learned_by_heart() {
    for family in FAMILIES {
        for loss in [Loss::BradleyTerry, Loss::Hinge { target_margin: 1.0 }] {
            let mut trainer = tiny(family, 2);
            let pairs = random_pairs(family, 8);
            let settings = StepSettings { loss, clip_norm: 1.0, ..settings(3e-3) };
            let mut last = f32::INFINITY;
            for _ in 0..80 {
                last = trainer.train_step(&first_preferred(&pairs), &settings).unwrap().loss;
            }
            assert!(last < 0.05, "{family} {loss:?}: {last}");
        }
    }
}

#[test]
fn a_step_that_is_not_finite_changes_nothing() {
    for family in FAMILIES {
        let mut trainer = tiny(family, 2);
        let pairs = random_pairs(family, 5);
        trainer.train_step(&first_preferred(&pairs), &settings(1e-3)).unwrap();
        let last = trainer.parameters.values.len() - 1;
        trainer.parameters.values[last - 2] = f32::NAN;
        let before = trainer.parameters.clone();
        let error = trainer.train_step(&first_preferred(&pairs), &settings(1e-3)).unwrap_err();
        assert!(matches!(error, EngineError::NonFinite { .. }), "{error}");
        let error = trainer.score(&[&pairs[0]]).unwrap_err();
        assert!(matches!(error, EngineError::NonFinite { what: "reward", .. }), "{error}");
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let after = &trainer.parameters;
        assert_eq!(bits(&before.values), bits(&after.values));
        assert_eq!(bits(&before.first_moments), bits(&after.first_moments));
        assert_eq!(bits(&before.second_moments), bits(&after.second_moments));
        assert_eq!(before.n_steps, after.n_steps);
        assert!(after.gradient.iter().all(|g| *g == 0.0));
    }
}

#[test]
fn a_loaded_model_continues_bit_for_bit() {
    for family in FAMILIES {
        let pairs = random_pairs(family, 12);
        let batch = first_preferred(&pairs);
        let settings = StepSettings { weight_decay: 0.1, ..settings(1e-3) };
        let mut straight = tiny(family, 2);
        for _ in 0..3 {
            straight.train_step(&batch, &settings).unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        persistence::save(&straight.parameters, dir.path()).unwrap();
        let mut resumed = tiny(family, 1);
        persistence::load(&mut resumed.parameters, dir.path()).unwrap();
        assert_eq!(resumed.parameters.n_steps, 3);
        for _ in 0..2 {
            let a = straight.train_step(&batch, &settings).unwrap();
            let b = resumed.train_step(&batch, &settings).unwrap();
            assert_eq!(a, b);
        }
        assert_eq!(straight.parameters.digest(), resumed.parameters.digest());
    }
}

#[test]
fn a_checkpoint_of_another_model_is_refused_and_a_fresh_one_is_small() {
    let dir = tempfile::tempdir().unwrap();
    let mut bert = tiny("bert", 1);
    persistence::save(&bert.parameters, dir.path()).unwrap();
    let optimizer = dir.path().join(tuned_files::OPTIMIZER);
    assert!(std::fs::metadata(optimizer).unwrap().len() < 200, "zero moments are not stored");
    let mut llama = tiny("llama", 1);
    let before = llama.parameters.digest();
    let error = persistence::load(&mut llama.parameters, dir.path()).unwrap_err();
    assert!(error.to_string().contains("`model.embed_tokens.weight` is missing"), "{error}");
    assert_eq!(llama.parameters.digest(), before);
    persistence::load(&mut bert.parameters, dir.path()).unwrap();
}

#[test]
fn the_report_counts_pairs_tokens_and_the_norm_before_clipping() {
    let mut trainer = tiny("llama", 1);
    let cases = cases("llama");
    let pairs = cases.encoded();
    let clipped = StepSettings { clip_norm: 1e-3, ..settings(0.0) };
    let report = trainer.train_step(&labeled(&pairs, &cases), &clipped).unwrap();
    let n_correct = cases
        .pairs
        .iter()
        .filter(|case| (case.rewards[0] > case.rewards[1]) == (case.preferred == Side::A));
    assert_eq!(report.n_correct, n_correct.count() as u32);
    assert_eq!(report.n_tokens, pairs.iter().map(|pair| pair.n_tokens() as u64).sum::<u64>());
    assert!(report.gradient_norm > 1e-2);
}
