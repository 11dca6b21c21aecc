//! The edges: micro-batches of any size, shortest and longest texts, huge margins.

use super::behavior::first_preferred;
use super::differences::relative_error;
use super::support::{FAMILIES, config, is_decoder, lora, random_pairs, settings, tiny, tuned};
use crate::domain::spec::{Precision, Tuning};
use crate::engine::config::{EncoderConfig, EncoderFamily, ModelConfig, RelativePositions};
use crate::engine::cpu::network::Transformer;
use crate::engine::cpu::network::memory::MicroBatchShape;
use crate::engine::cpu::parameters::{NoSource, Parameters};
use crate::engine::cpu::trainer::{Running, Trainer};
use crate::engine::{EncodedPair, StepSettings};

#[test]
fn micro_batches_of_any_size_give_the_same_rewards_and_gradients() {
    for family in FAMILIES {
        let pairs = random_pairs(family, 13);
        let batch = first_preferred(&pairs);
        let settings = StepSettings { dropout: 0.1, dropout_key: 3, ..settings(0.0) };
        let run = |micro_batch_rows| {
            let running = Running { micro_batch_rows, ..Running::exact(2) };
            let mut trainer = tuned(family, &Tuning::Full, Precision::F32, running);
            let rewards = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
            trainer.accumulate(&batch, &settings);
            assert!(trainer.n_workspace_bytes() > 0);
            (rewards, trainer.parameters.gradient.clone(), trainer.n_workspace_bytes())
        };
        let (rewards, gradient, n_bytes) = run(10_000);
        for rows in [1, 40, 100] {
            let (other, other_gradient, fewer_bytes) = run(rows);
            // Gradients of the whole batch are added up a micro-batch at a time, in another order.
            let error = relative_error(other.as_flattened(), rewards.as_flattened());
            assert!(error < 1e-6, "{family} {rows}: {error}");
            let error = relative_error(&other_gradient, &gradient);
            assert!(error < 1e-5, "{family} {rows}: {error}");
            assert!(fewer_bytes < n_bytes, "{family} {rows}: {fewer_bytes} {n_bytes}");
        }
    }
}

#[test]
fn shortest_and_longest_texts_train() {
    for family in FAMILIES {
        let longest = config(family).max_positions();
        let side = |n: usize, step: usize| (0..n).map(|i| (1 + i * step % 47) as u32).collect();
        let pair = |a: Vec<u32>, b: Vec<u32>| EncodedPair {
            tokens_a: a,
            tokens_b: b,
            ..EncodedPair::default()
        };
        let mut pairs = vec![
            pair(vec![4], vec![9]),
            pair(side(longest, 3), vec![5]),
            pair(side(longest, 3), side(longest, 5)),
        ];
        if is_decoder(family) {
            let (a, mut b): (Vec<u32>, Vec<u32>) = (side(longest, 3), side(longest, 3));
            b[longest - 1] = 48;
            pairs.push(EncodedPair { n_shared: longest - 1, ..pair(a, b) });
        }
        let mut trainer = tiny(family, 2);
        let before = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
        let report = trainer.train_step(&first_preferred(&pairs), &settings(1e-3)).unwrap();
        assert!(report.gradient_norm > 0.0);
        assert_ne!(trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap(), before);
    }
}

#[test]
fn huge_margins_train_without_overflow() {
    for family in ["llama", "bert"] {
        for sign in [1.0, -1.0] {
            let mut trainer = tiny(family, 1);
            let pairs = random_pairs(family, 1);
            let score = |trainer: &mut Trainer| {
                let rewards = trainer.score(&[&pairs[0]]).unwrap()[0];
                rewards[0] - rewards[1]
            };
            let factor = sign * 100.0 / score(&mut trainer);
            let names = ["score.weight", "classifier.weight"];
            let table = trainer.parameters.table.clone();
            let head = table.entries().iter().find(|it| names.contains(&it.name.as_str()));
            for value in head.unwrap().slot.span.of_mut(&mut trainer.parameters.values) {
                *value *= factor;
            }
            let margin = score(&mut trainer);
            assert!((margin - sign * 100.0).abs() < 0.1, "{family}: {margin}");
            let report = trainer.train_step(&first_preferred(&pairs), &settings(1e-4)).unwrap();
            let expected = if sign > 0.0 { 0.0 } else { 100.0 };
            assert!((report.loss - expected).abs() < 0.1, "{family}: {}", report.loss);
            assert!(score(&mut trainer).is_finite());
        }
    }
}

/// What a plan says of the buffers of a step, and what they come to.
#[test]
fn a_plan_is_near_what_a_step_holds() {
    let bert = EncoderConfig {
        vocab_size: 60,
        hidden_size: 192,
        intermediate_size: 768,
        n_layers: 4,
        n_heads: 3,
        ..EncoderConfig::default()
    };
    let relative = RelativePositions { n_buckets: 64, max_distance: 128, has_norm: true };
    let deberta = EncoderConfig {
        family: EncoderFamily::DebertaV2,
        has_position_table: false,
        type_vocab_size: 0,
        relative: Some(relative),
        ..bert.clone()
    };
    let side = |step: usize| (0..80).map(|i| (1 + i * step % 47) as u32).collect();
    let pair = |i| EncodedPair { tokens_a: side(i), tokens_b: side(i + 1), ..Default::default() };
    let pairs: Vec<EncodedPair> = (3..10).map(pair).collect();
    let shape = MicroBatchShape { n_rows: 14 * 80, n_rewards: 14, longest: 80 };
    for config in [bert, deberta].map(ModelConfig::Encoder) {
        for tuning in [Tuning::Full, lora(0.1), Tuning::TopLayers(2)] {
            let (network, table) = Transformer::new(&config, &tuning, Precision::F32);
            let parameters = Parameters::new(table, 1, &NoSource).unwrap();
            let mut trainer = Trainer::new(network, parameters, Running::exact(1)).unwrap();
            let settings = StepSettings { dropout: 0.1, dropout_key: 3, ..settings(1e-3) };
            trainer.train_step(&first_preferred(&pairs), &settings).unwrap();
            let planned = 4 * trainer.network.n_activation_values(shape, &tuning, true);
            let share = planned as f64 / trainer.n_workspace_bytes() as f64;
            assert!((0.9..1.1).contains(&share), "{} {tuning:?}: {share}", config.family());
        }
    }
}
