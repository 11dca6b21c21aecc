//! What the engine promises beside the right numbers.

use super::support::tiny;
use crate::domain::preference::Side;
use crate::domain::spec::{Device, Tuning};
use crate::engine::cpu::tests::support::{lora, random_pairs, settings};
use crate::engine::{
    Backbone, EncodedPair, EngineError, LabeledPair, OpenSettings, StepSettings, open,
};

fn batch(pairs: &[EncodedPair]) -> Vec<LabeledPair<'_>> {
    pairs.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect()
}

#[test]
fn a_reward_does_not_depend_on_the_pairs_beside_it() {
    for family in ["qwen2", "bert", "deberta"] {
        let trainer = tiny(family, &Tuning::Full, 1000);
        let pairs = random_pairs(family, 9);
        let together = trainer.score(&pairs.iter().collect::<Vec<_>>()).unwrap();
        for (pair, expected) in pairs.iter().zip(together) {
            assert_eq!(trainer.score(&[pair]).unwrap()[0], expected, "{family}");
        }
    }
}

#[test]
fn training_lowers_the_loss_and_only_trained_tensors_move() {
    for tuning in [Tuning::Full, lora(0.1), Tuning::TopLayers(1), Tuning::Head] {
        let mut trainer = tiny("llama", &tuning, 1000);
        let pairs = random_pairs("llama", 6);
        let frozen = trainer.parameters.base_digest().to_owned();
        let losses: Vec<f32> = (0..30)
            .map(|step| {
                let settings = StepSettings { dropout_key: step, ..settings(1e-2) };
                trainer.train_step(&batch(&pairs), &settings).unwrap().loss
            })
            .collect();
        assert!(losses[29] < 0.6 * losses[0], "{tuning:?}: {losses:?}");
        assert_eq!(frozen, trainer.parameters.base_digest());
        assert_eq!(frozen.is_empty(), tuning == Tuning::Full);
    }
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let mut trainer = tiny("bert", &Tuning::Full, 1000);
    let score = trainer.parameters.trained_place("classifier.weight").unwrap();
    let values = &trainer.parameters.trained[score].values;
    values.set(&(values.as_tensor() * f64::INFINITY).unwrap()).unwrap();
    let before = trainer.parameters.digest().unwrap();
    let pairs = random_pairs("bert", 3);
    let error = trainer.train_step(&batch(&pairs), &settings(1e-2)).unwrap_err();
    assert!(matches!(error, EngineError::NonFinite { .. }), "{error}");
    assert_eq!((before, 0), (trainer.parameters.digest().unwrap(), trainer.parameters.n_steps));
    let mut broken = pairs;
    broken[1].tokens_b = vec![99];
    let error = trainer.train_step(&batch(&broken), &settings(1e-2)).unwrap_err();
    assert!(matches!(error, EngineError::BadPair { position: 1, .. }), "{error}");
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
#[test]
fn a_device_that_was_not_built_in_is_refused_with_a_way_out() {
    for (device, name) in [(Device::Cuda, "cuda"), (Device::Metal, "metal")] {
        let settings = OpenSettings { device, ..OpenSettings::new(Backbone::Embedded, 64, 1) };
        let error = open(&settings).err().unwrap();
        assert_eq!(error.to_string(), format!("this program was built without `{name}`"));
        assert!(error.hint().unwrap().contains(&format!("--features {name}")));
    }
}
