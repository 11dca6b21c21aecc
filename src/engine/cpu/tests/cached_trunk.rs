//! A cache changes how long a run takes and nothing else.

use super::support::{FAMILIES, random_pairs, tuned};
use crate::domain::preference::Side;
use crate::domain::spec::{Loss, Precision, Tuning};
use crate::engine::cpu::trainer::{Running, Trainer};
use crate::engine::{CacheSettings, EncodedPair, LabeledPair, StepSettings};

const STEP: StepSettings = StepSettings {
    loss: Loss::BradleyTerry,
    learning_rate: 1e-3,
    weight_decay: 0.01,
    clip_norm: 1.0,
    dropout: 0.1,
    dropout_key: 7,
};

/// Two epochs in batches of five, then the weights and the rewards.
fn train(trainer: &mut Trainer, pairs: &[EncodedPair]) -> (String, Vec<[f32; 2]>) {
    let labeled: Vec<LabeledPair<'_>> =
        pairs.iter().map(|pair| LabeledPair::certain(pair, Side::B)).collect();
    for _ in 0..2 {
        for batch in labeled.chunks(5) {
            trainer.train_step(batch, &STEP).unwrap();
        }
    }
    let rewards = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
    (trainer.parameters.digest(), rewards)
}

#[test]
fn a_cached_trunk_gives_the_bits_of_a_computed_one() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = |memory_bytes| CacheSettings {
        dir: Some(dir.path().to_owned()),
        memory_bytes,
        disk_bytes: 1 << 24,
    };
    for family in FAMILIES {
        let pairs = random_pairs(family, 12);
        for tuning in [Tuning::TopLayers(0), Tuning::TopLayers(1), Tuning::Head] {
            for precision in [Precision::F32, Precision::Bf16] {
                let running = Running { precision, micro_batch_rows: 60, ..Running::exact(2) };
                let new = || tuned(family, &tuning, precision, running);
                let plain = train(&mut new(), &pairs);
                // All in memory; some of it only; on disk; on disk, written by the one before.
                let none_on_disk =
                    |memory_bytes| CacheSettings { dir: None, ..on_disk(memory_bytes) };
                for settings in
                    [none_on_disk(1 << 24), none_on_disk(3000), on_disk(0), on_disk(1 << 24)]
                {
                    let mut cached = new();
                    cached.cache_trunk(&settings);
                    let name = format!("{family} {tuning:?} {precision:?} {settings:?}");
                    assert!(train(&mut cached, &pairs) == plain, "{name}");
                    let (in_memory, on_disk) = cached.trunk.as_ref().unwrap().cache.n_kept();
                    if settings.dir.is_some() {
                        assert_eq!(on_disk, 12, "{name}");
                    }
                    if settings.memory_bytes > 3000 {
                        assert_eq!(in_memory, 12, "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_is_kept_where_the_whole_model_is_trained() {
    for tuning in [Tuning::Full, super::support::lora(0.0)] {
        let mut trainer = tuned("llama", &tuning, Precision::F32, Running::exact(1));
        trainer.cache_trunk(&CacheSettings { dir: None, memory_bytes: 1 << 20, disk_bytes: 0 });
        train(&mut trainer, &random_pairs("llama", 4));
        assert!(trainer.trunk.is_none());
    }
}
