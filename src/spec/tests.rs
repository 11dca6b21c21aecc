//! Tests: layers become a spec, and a mistake is told with its place.

use super::*;
use crate::domain::spec::{
    Amount, CalibrationName, DropAction, PoolLabels, PseudoTargets, SecondView,
};

fn from_text(text: &str, arm: Option<&str>, sets: &[&str]) -> SpecResult<ExperimentSpec> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.toml");
    std::fs::write(&path, text).unwrap();
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    resolve(&SpecInput { base: &Base::File(path), arm, sets: &sets, rng_seed: None })
}

fn message(text: &str, sets: &[&str]) -> (String, String) {
    let error = from_text(text, None, sets).unwrap_err();
    let text = error.to_string();
    let start = text.find('`').unwrap();
    (text[start..].to_owned(), error.hint().unwrap())
}

#[test]
fn the_default_holds_every_key_and_is_valid() {
    let spec = resolve(&SpecInput::default()).unwrap();
    spec.validate().unwrap();
    let keys = |text: &str| -> Vec<String> {
        layer::parse(text, |_| Origin::Default).unwrap().into_iter().map(|a| a.key).collect()
    };
    assert_eq!(keys(DEFAULT), keys(&to_toml(&spec).unwrap()));
}

#[test]
fn every_arm_is_valid_and_ours_is_the_default() {
    for (arm, _) in ARMS {
        let spec = resolve(&SpecInput { arm: Some(arm), ..SpecInput::default() }).unwrap();
        assert_eq!(spec.arm, arm);
    }
    let ours = resolve(&SpecInput { arm: Some("ser"), ..SpecInput::default() }).unwrap();
    assert_eq!(ours, resolve(&SpecInput::default()).unwrap());
}

#[test]
fn an_arm_of_others_has_none_of_our_parts() {
    for arm in ["confidence", "naive", "ser-paper", "ser-code"] {
        let spec = resolve(&SpecInput { arm: Some(arm), ..SpecInput::default() }).unwrap();
        assert_eq!(spec.selection.calibration, CalibrationName::None, "{arm}");
        assert_eq!(spec.selection.second_view, SecondView::None, "{arm}");
        assert!(!spec.selection.cross_fits(), "{arm}");
        assert_eq!(spec.train.pseudo_targets, PseudoTargets::Hard, "{arm}");
        assert_eq!(spec.rounds.on_drop, DropAction::Ignore, "{arm}");
        let rounds = &spec.rounds;
        assert_eq!(rounds.chance_level, 0.0, "{arm}");
        assert_eq!((rounds.one_sided_max, rounds.calibration_level), (1.0, 0.0), "{arm}");
    }
}

#[test]
fn a_set_has_a_spec_for_each_arm_and_random_seed() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let mut set = SpecSet {
        arms: words(&["ser", "seed-only"]),
        rng_seeds: vec![5, 6],
        sets: words(&["train.epochs=2"]),
        ..SpecSet::default()
    };
    let specs = set.resolve().unwrap();
    let found: Vec<(&str, u64)> = specs.iter().map(|s| (s.arm.as_str(), s.rng_seed)).collect();
    assert_eq!(found, [("ser", 5), ("seed-only", 5), ("ser", 6), ("seed-only", 6)]);
    assert!(specs.iter().all(|spec| spec.train.epochs == 2));
    assert_eq!(SpecSet::default().resolve().unwrap().len(), 1);
    set.rng_seeds.push(5);
    assert_eq!(set.resolve().unwrap_err().to_string(), "`--rng-seeds` holds 5 twice");
}

#[test]
fn a_text_is_read_as_its_file_would_be() {
    let text = "arm = \"full-labels\"\n[train]\nepochs = 2\n";
    let of_text = SpecInput { base: &Base::Text(text.to_owned()), ..SpecInput::default() };
    assert_eq!(resolve(&of_text).unwrap(), from_text(text, None, &[]).unwrap());
}

#[test]
fn a_resolved_spec_is_the_same_spec_again() {
    let spec = from_text("[train]\nlearning_rate = 1e-4", Some("seed-only"), &[]).unwrap();
    let text = to_toml(&spec).unwrap();
    assert!(text.contains("learning_rate = 0.0001\n"), "{text}");
    assert_eq!(from_text(&text, None, &[]).unwrap(), spec);
}

#[test]
fn a_mixture_and_columns_are_the_same_again() {
    let text = "[[data.source]]\npath = \"a\"\nweight = 2.0\n[[data.source]]\npath = \"b\"\n\
                weight = 1.0\ncap = 5\n[data.columns]\na = [\"x\", \"y\"]\n";
    let spec = from_text(text, None, &["data.columns.prompt=q"]).unwrap();
    assert_eq!(spec.data.source.parts()[1].cap, 5);
    assert_eq!(spec.data.columns.a.list(), ["x", "y"]);
    assert_eq!(from_text(&to_toml(&spec).unwrap(), None, &[]).unwrap(), spec);
    let (message, _) = message("[data]\nsource = [{path = \"a\", wight = 1}]", &[]);
    assert!(message.ends_with("or a list of `{ path, weight, cap }`"), "{message}");
}

#[test]
fn a_spec_without_the_newer_keys_still_loads() {
    let spec = resolve(&SpecInput::default()).unwrap();
    let mut table: toml::Table = toml::from_str(&to_toml(&spec).unwrap()).unwrap();
    let data = table.get_mut("data").and_then(toml::Value::as_table_mut).unwrap();
    assert!(data.remove("columns").is_some() && data.remove("pairs_per_record").is_some());
    let old: ExperimentSpec = table.try_into().unwrap();
    assert_eq!(old, spec);
}

#[test]
fn later_layers_win() {
    let file = "[rounds]\nmax = 5\n[data]\nseed_labels = 300\n";
    let spec = from_text(file, None, &["rng_seed=9", "data.source=[\"a\", \"b\"]"]).unwrap();
    assert_eq!((spec.rounds.max, spec.rng_seed), (5, 9));
    assert_eq!(spec.data.seed_labels, Amount::Count(300));
    assert_eq!(spec.data.source.to_string(), "a, b");
    assert_eq!(from_text(file, Some("seed-only"), &[]).unwrap().rounds.max, 0);
    assert_eq!(from_text(file, Some("seed-only"), &["rounds.max=1"]).unwrap().rounds.max, 1);
    let named = from_text("arm = \"full-labels\"", None, &[]).unwrap();
    assert_eq!(named.rounds.pool_labels, PoolLabels::Human);
    assert_eq!(from_text("arm = \"mine\"", None, &[]).unwrap().arm, "mine");
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest() {
    let (text, hint) = message("rng_seed = 1\n\n[train]\nlearnng_rate = 1e-4", &[]);
    assert!(text.starts_with("`train.learnng_rate` in `"), "{text}");
    assert!(text.ends_with("x.toml` line 4"), "{text}");
    assert_eq!(hint, "did you mean `train.learning_rate`?");
    assert_eq!(message("epochs = 1", &[]).1, "did you mean `train.epochs`?");
    assert_eq!(message("", &["zzzzz=1"]).1, "`ser run --print-spec` lists every key");
}

#[test]
fn a_wrong_type_names_value_and_expectation() {
    for (text, expect) in [
        (
            "[train]\nepochs = 2.5",
            "`train.epochs` is 2.5 in PLACE 2, expected a whole number, 0 or more",
        ),
        (
            "[train]\nepochs = -1",
            "`train.epochs` is -1 in PLACE 2, expected a whole number, 0 or more",
        ),
        (
            "[train]\nschedule = \"liner\"",
            "`train.schedule` is \"liner\" in PLACE 2, expected one of `linear`, `cosine`, `constant`",
        ),
        ("train = 3", "`train` is 3 in PLACE 1, expected a section of keys"),
        ("rng_seed = \"x\"", "`rng_seed` is \"x\" in PLACE 1, expected a whole number, 0 or more"),
        (
            "[data]\nseed_labels = \"few\"",
            "`data.seed_labels` is \"few\" in PLACE 2, expected a share such as 0.15, or a count such as 300",
        ),
    ] {
        let found = message(text, &[]).0;
        let (head, tail) = expect.split_once("PLACE").unwrap();
        assert!(
            found.starts_with(head) && found.ends_with(&format!("x.toml` line{tail}")),
            "{found}"
        );
    }
}

#[test]
fn a_value_out_of_range_names_its_line() {
    let (text, hint) = message("[data]\n\nseed_labels = 0\n", &[]);
    assert!(text.starts_with("`data.seed_labels` is 0 in `"), "{text}");
    assert!(text.contains("x.toml` line 3, which is not a share above 0"), "{text}");
    assert_eq!(hint, "the default is `data.seed_labels = 0.15`");
    let (text, _) = message("", &["data.seed_labels=1.5"]);
    assert!(text.contains("is 1.5 in `--set data.seed_labels=1.5`"), "{text}");
}

#[test]
fn an_unknown_arm_lists_the_known_ones() {
    let error = from_text("", Some("sed-only"), &[]).unwrap_err();
    assert_eq!(
        error.hint().unwrap(),
        "known arms: `ser`, `seed-only`, `full-labels`, `naive`, `confidence`, `ser-paper`, \
         `ser-code`"
    );
}
