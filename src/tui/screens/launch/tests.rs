//! Tests: what the form fills in is what the command gets.

use super::*;
use crate::tui::shell::model::Model;
use crate::tui::tests::drive::{press, type_text};
use crate::tui::tests::fixtures::{form_rows, model, running_data, twelve_runs};
use crate::tui::tests::pictures::snapshots;

fn set(launch: &mut Launch, label: &str, value: &str) {
    let at = launch.rows.iter().position(|row| row.label() == label).unwrap();
    launch.set(at, value);
}

#[test]
fn an_untouched_form_is_the_default_experiment() {
    let launch = Launch::new(None);
    assert_eq!(launch.request(), Request::default());
    assert_eq!(launch.command(), "ser run --detach");
    assert_eq!((launch.problem(), launch.n_runs()), (None, 1));
    assert!(launch.rows.len() > 25);
}

#[test]
fn changes_become_arguments() {
    let mut launch = Launch::new(None);
    set(&mut launch, "name", "");
    set(&mut launch, "arms", "ser, seed-only");
    set(&mut launch, "random seeds", "5,6, 7");
    set(&mut launch, "train.learning_rate", "1e-4");
    set(&mut launch, "data.source", "my pairs.jsonl");
    assert_eq!(launch.problem(), None);
    assert_eq!(launch.n_runs(), 6);
    assert_eq!(
        launch.command(),
        "ser run --arm ser --arm seed-only --rng-seeds 5,6,7 --set 'data.source=my pairs.jsonl' \
         --set train.learning_rate=1e-4 --detach"
    );
    launch.from = Some(RunId::from_bits(7));
    assert!(launch.command().starts_with("ser run --from r7000000 --arm ser"));
}

#[test]
fn what_is_wrong_is_said_where_it_is() {
    let mut launch = Launch::new(None);
    let cases = [
        ("train.epochs", "0", "train.epochs: not from 1 to 1000"),
        ("train.loss", "hing", "train.loss: expected `bradley_terry` or `hinge`"),
        ("random seeds", "1,x", "random seeds: `x` is no whole number"),
        ("random seeds", "4,4", "random seeds: 4 stands there twice"),
        ("arms", "sre", "arms: `sre` is none of ser, seed-only, full-labels"),
    ];
    for (label, value, problem) in cases {
        set(&mut launch, label, value);
        assert!(launch.problem().unwrap().starts_with(problem), "{:?}", launch.problem());
        let at = launch.rows.iter().position(|row| row.label() == label).unwrap();
        let before = launch.rows[at].before.clone();
        launch.set(at, &before);
        assert_eq!(launch.problem(), None);
    }
    set(&mut launch, "name", "one");
    set(&mut launch, "random seeds", "1,2");
    assert_eq!(launch.problem(), None, "it is the name of the experiment");
    assert_eq!(launch.command(), "ser run --name one --rng-seeds 1,2 --detach");
}

#[test]
fn values_that_only_fit_together_are_checked_together() {
    let mut launch = Launch::new(None);
    set(&mut launch, "selection.high_threshold", "0.3");
    assert!(launch.problem().unwrap().contains("low_threshold"), "{:?}", launch.problem());
    set(&mut launch, "selection.low_threshold", "0.2");
    let wrong: Vec<&FormRow> = launch.rows.iter().filter(|row| row.problem.is_some()).collect();
    assert_eq!(launch.problem(), None, "{wrong:?}");
}

#[test]
fn an_editor_fills_the_form_and_a_mistake_changes_nothing() {
    let mut launch = Launch::new(None);
    let text = launch.toml().unwrap().replace("epochs = 3", "epochs = 9");
    launch.take_toml(&text).unwrap();
    assert_eq!(launch.request().sets, ["train.epochs=9"]);
    let error = launch.take_toml("[train]\nepochz = 1").unwrap_err();
    assert!(error.contains("unknown key `train.epochz`"), "{error}");
    assert_eq!(launch.request().sets, ["train.epochs=9"]);
}

#[test]
fn a_run_is_the_base_of_the_next_one() {
    let base = form::check(None, &["confidence"], &["rng_seed=4".to_owned()]).unwrap();
    let mut launch = Launch::new(Some(spec::to_toml(&base).unwrap()));
    assert_eq!((launch.value(&RowKey::Arms), launch.value(&RowKey::RngSeeds)), ("confidence", "4"));
    assert_eq!(launch.request(), Request::default());
    set(&mut launch, "rounds.max", "2");
    let Some(Ok(spec)) = &launch.checked else { panic!("{:?}", launch.checked) };
    assert_eq!((spec.rounds.max, spec.rng_seed, spec.arm.as_str()), (2, 4, "confidence*"));
}

#[test]
fn a_key_that_one_arm_keeps_is_set_for_the_others() {
    let mut launch = Launch::new(None);
    set(&mut launch, "arms", "ser, seed-only, naive");
    set(&mut launch, "rounds.max", "2");
    assert_eq!(launch.problem(), None);
    assert_eq!(launch.request().sets, ["ser:rounds.max=2", "naive:rounds.max=2"]);
    set(&mut launch, "arms", "seed-only");
    let problem = launch.problem().unwrap();
    assert!(problem.contains("rounds.max") && problem.contains("`seed-only`"), "{problem}");
}

#[test]
fn a_preset_of_a_few_keys_brings_the_recipe_of_its_arm() {
    let launch = Launch::new(Some("arm = \"seed-only\"\n[train]\nepochs = 2\n".to_owned()));
    let Some(Ok(spec)) = &launch.checked else { panic!("{:?}", launch.checked) };
    assert_eq!((spec.arm.as_str(), spec.rounds.max, spec.train.epochs), ("seed-only", 0, 2));
    let shown = |key: &str| launch.value(&RowKey::Spec(key.to_owned())).to_owned();
    assert_eq!((shown("rounds.max"), shown("train.epochs")), ("0".to_owned(), "2".to_owned()));
    assert_eq!(shown("train.batch_pairs"), spec.train.batch_pairs.to_string());
}

#[test]
fn pictures() {
    let form = |width, height, keys: &str| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        press(&mut model, &["5"]);
        // The keys of a spec are others' to change; the pictures show the form, not the spec.
        model.launch.rows = form_rows();
        type_text(&mut model, keys);
        model
    };
    snapshots("launch_default", |width, height| form(width, height, ""));
    snapshots("launch_changed", |width, height| {
        let mut model = form(width, height, "jjl");
        for (label, value) in [("train.learning_rate", "1e-4"), ("train.epochs", "0")] {
            let at = model.launch.rows.iter().position(|row| row.label() == label).unwrap();
            model.launch.set(at, value);
        }
        model.launch.dry_run = Some("ok: 200 pairs and one round in 3 s, nothing kept".to_owned());
        model
    });
    snapshots("launch_typing", |width, height| form(width, height, "jjjjjji"));
}

/// The form of a policy that the embedded run rewards, opened by its key.
fn of_policy() -> Model {
    let mut data = running_data();
    data.spec = form::check(None, &[], &[]).ok();
    let mut model = model(80, 24, vec![data.detail.row.clone()], Some(data));
    press(&mut model, &["P"]);
    model
}

#[test]
fn only_a_policy_has_rows_of_one() {
    let is_of_policy = |row: &FormRow| row.label().starts_with("policy.");
    assert!(!Launch::new(None).rows.iter().any(is_of_policy));
    let model = of_policy();
    assert!(model.launch.rows[3..].iter().take(20).all(is_of_policy), "they come first");
    let row = |label: &str| model.launch.rows.iter().find(|row| row.label() == label).unwrap();
    assert_eq!(row("policy.reward").value, "r1000000");
    assert_eq!(row("policy.gold").value, "oracle");
    assert!(row("policy.objective").choices.iter().any(|choice| choice == "grpo"));
    assert_eq!(
        model.launch.command(),
        "ser run --from r1000000 --set policy.objective=rloo --set policy.reward=r1000000 --set \
         policy.gold=oracle --detach"
    );
}

#[test]
fn another_objective_brings_its_numbers_and_leaves_what_was_changed() {
    let mut launch = of_policy().launch;
    let value = |launch: &Launch, label: &str| {
        launch.rows.iter().find(|row| row.label() == label).unwrap().value.clone()
    };
    set(&mut launch, "policy.steps", "20");
    set(&mut launch, "policy.objective", "ppo");
    assert_eq!((launch.problem(), value(&launch, "policy.epochs")), (None, "4".to_owned()));
    assert_eq!(value(&launch, "policy.kl_control"), "adaptive");
    assert_eq!(value(&launch, "policy.steps"), "20");
    assert_eq!(
        launch.command(),
        "ser run --from r1000000 --set policy.reward=r1000000 --set policy.gold=oracle --set \
         policy.objective=ppo --set policy.steps=20 --detach"
    );
    // Nothing that is no objective changes a number; the first one brings its own back.
    set(&mut launch, "policy.objective", "pp");
    assert!(launch.problem().is_some());
    assert_eq!(value(&launch, "policy.epochs"), "4");
    set(&mut launch, "policy.objective", "rloo");
    assert_eq!((launch.problem(), value(&launch, "policy.epochs")), (None, "1".to_owned()));
}

#[test]
fn a_file_of_another_kind_is_refused_by_name() {
    let mut policy = of_policy().launch;
    let text = policy.toml().unwrap();
    assert!(policy.take_toml(&Launch::new(None).toml().unwrap()).unwrap_err().contains("[policy]"));
    assert!(Launch::new(None).take_toml(&text).unwrap_err().contains("P in the runs list"));
    policy.take_toml(&text.replace("steps = 100", "steps = 30")).unwrap();
    assert!(policy.command().contains("policy.steps=30"));
}
