//! Tests: the compare screen as pictures, and what its keys do.

use std::sync::Arc;

use crate::analysis::DisagreementSplit;
use crate::domain::event::{PairMargin, RunEvent};
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::preference::{PairId, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::{RunId, RunKind, StopReason};
use crate::domain::selection::{LeftOut, ScoredPair};
use crate::report::ImageForm;
use crate::report::listing::Listing;
use crate::store::testing::{self, Fixture};
use crate::store::{Access, NewRun, Store};

use super::*;
use crate::tui::feed::change::{Answer, Change, Contents};
use crate::tui::feed::compare::CompareReader;
use crate::tui::feed::data::Snapshot;
use crate::tui::feed::source::Read;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen};
use crate::tui::shell::overlay::{Overlay, Purpose};
use crate::tui::shell::update::update;
use crate::tui::tests::drive::{press, toast};
use crate::tui::tests::fixtures::{NOW_MS, model};
use crate::tui::tests::pictures::{draw, picture, snapshots};

/// A deterministic number in `[0, 1)` for a pair of a run.
fn noise(run: u64, pair: u32) -> f64 {
    let bits = run.wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ u64::from(pair).wrapping_mul(0xd1b5_4a32_d192_ed03);
    (bits.wrapping_mul(0xff51_afd7_ed55_8ccd) >> 40) as f64 / f64::from(1 << 24)
}

fn evaluated(run: u64, round: u32, split: Split, accuracy: f64) -> RunEvent {
    // Easy pairs are easy for every run: the runs agree on most.
    let margins: Vec<f64> = (0..40)
        .map(|pair| accuracy - 0.7 * noise(7, pair) - 0.3 * noise(run, pair) - 0.05)
        .collect();
    let pairs = (0..).zip(&margins);
    RunEvent::Evaluated {
        round,
        split,
        evaluation: Evaluation::from_margins(&margins).unwrap(),
        margins: pairs
            .map(|(pair, margin)| PairMargin { pair: PairId(pair), margin: *margin as f32 })
            .collect(),
    }
}

fn selected(run: u64, seed: u64, round: u32) -> RunEvent {
    let RunEvent::SelectionMade { mut summary, .. } = testing::selection_made(round, 2) else {
        unreachable!()
    };
    let scored = |pair: u32| {
        let id = PairId(pair);
        let toward_chosen = (3.0 * (noise(run, pair) - 0.3)) as f32;
        let (reward_a, reward_b) = match chosen_side(seed, id) {
            crate::domain::preference::Side::A => (toward_chosen, 0.0),
            crate::domain::preference::Side::B => (0.0, toward_chosen),
        };
        let score = PairScore { pair: id, reward_a, reward_b };
        let left_out = (score.confidence() < 0.65).then_some(LeftOut::NotSeparated);
        ScoredPair { score, left_out }
    };
    let pairs: Vec<ScoredPair> = (0..40).map(scored).collect();
    summary.n_scored = 40;
    summary.n_selected = pairs.iter().filter(|pair| pair.left_out.is_none()).count() as u64;
    summary.coverage = Some(summary.n_selected as f64 / 40.0);
    summary.histogram = crate::domain::metrics::histogram::ConfidenceHistogram::of(
        pairs.iter().map(|pair| pair.score.confidence()),
    );
    RunEvent::SelectionMade { round, summary, pairs }
}

fn add_run(fixture: &mut Fixture, index: u64, name: &str, rate: f32, accuracies: &[f64]) -> RunId {
    let mut spec = testing::spec();
    spec.train.learning_rate = rate;
    let new = NewRun {
        name: Some(name.to_owned()),
        spec: &spec,
        dataset: fixture.dataset,
        test_dataset: None,
        experiment: None,
    };
    let id = fixture.store.create_run(&new).unwrap().id;
    let attempt = fixture.begin(&id);
    let mut events = Vec::new();
    for (round, accuracy) in (0..).zip(accuracies) {
        if round > 0 {
            events.push(selected(index, spec.rng_seed, round));
        }
        events.push(testing::train_step(u64::from(round) + 1, 0.7 - 0.1 * round as f32));
        events.push(evaluated(index, round, Split::Validation, accuracy + 0.02));
        events.push(evaluated(index, round, Split::Test, *accuracy));
        let wall_ms = 60_000 + index * 7_000;
        events.push(RunEvent::RoundFinished { round, wall_ms, n_tokens: 1_000 });
    }
    events.push(RunEvent::RunFinished { reason: StopReason::RoundLimit });
    fixture.apply(&id, attempt, events);
    id
}

fn fixture() -> (Fixture, Vec<RunId>) {
    let mut fixture = testing::store();
    let runs = vec![
        add_run(&mut fixture, 1, "full-labels", 1e-4, &[0.62, 0.70, 0.75, 0.78]),
        add_run(&mut fixture, 2, "ser-fast", 3e-4, &[0.60, 0.66, 0.68]),
        add_run(&mut fixture, 3, "漢字 and a name that is too long for it", 1e-3, &[0.55, 0.52]),
        add_run(&mut fixture, 4, "ser-slow", 1e-5, &[0.58, 0.60, 0.63, 0.65]),
    ];
    (fixture, runs)
}

/// Settings that the pictures show: which keys a spec has is no matter of this screen.
const SETTINGS: [&str; 6] = [
    "rng_seed",
    "model.backbone",
    "train.epochs",
    "train.learning_rate",
    "rounds.max",
    "selection.high_threshold",
];

/// What the data thread would do.
fn read(fixture: &Fixture, model: &mut Model) {
    let store = Store::open(&fixture.home, Access::ReadOnly).unwrap();
    let mut rows = store.runs().unwrap();
    for (row, n) in rows.iter_mut().rev().zip(1..) {
        row.created_at_ms = NOW_MS - 1_000_000 + n;
    }
    let interest = model.wanted().compare;
    let mut compare = interest
        .and_then(|interest| CompareReader::default().read(&store, &interest, |_| true).unwrap());
    if let Some(data) = &mut compare {
        data.comparison.settings.retain(|row| SETTINGS.contains(&row.key.as_str()));
    }
    let snapshot = Snapshot { compare, ..Snapshot::new(NOW_MS, rows, None) };
    update(model, Message::Read(Read::Snapshot(Box::new(snapshot))));
}

/// The screen with the first `n` runs.
fn opened(width: u16, height: u16, n: usize) -> (Fixture, Model) {
    let (fixture, runs) = fixture();
    let mut model = model(width, height, Vec::new(), None);
    read(&fixture, &mut model);
    open::open(&mut model, runs.into_iter().take(n).collect());
    read(&fixture, &mut model);
    (fixture, model)
}

#[test]
fn screens() {
    snapshots("compare_runs", |width, height| opened(width, height, 3).1);
    snapshots("compare_pairs", |width, height| {
        let (fixture, mut model) = opened(width, height, 4);
        press(&mut model, &["l", "l"]);
        read(&fixture, &mut model);
        press(&mut model, &["Enter", "j"]);
        model
    });
    snapshots("compare_minus_base", |width, height| {
        let (fixture, mut model) = opened(width, height, 4);
        press(&mut model, &["n", "a", "j", "j", "d"]);
        read(&fixture, &mut model);
        model
    });
    snapshots("compare_zoomed", |width, height| {
        let (fixture, mut model) = opened(width, height, 2);
        press(&mut model, &["z", "m", "m", "m"]);
        read(&fixture, &mut model);
        model
    });
    snapshots("compare_arms", |width, height| {
        let (fixture, mut model) = opened(width, height, 4);
        press(&mut model, &["A"]);
        read(&fixture, &mut model);
        press(&mut model, &["j"]);
        model
    });
    snapshots("compare_nothing", |width, height| {
        let mut model = model(width, height, Vec::new(), None);
        press(&mut model, &["4"]);
        model
    });
}

/// Three policies, and a reward model.
fn policies(width: u16, height: u16, keys: &[&str]) -> (Fixture, Model) {
    let mut fixture = testing::store();
    let runs = [("rloo-s1", 0.2), ("dpo-s1", 0.1), ("ppo-with-a-long-name-s1", -0.2)]
        .map(|(name, gain)| fixture.policy(name, gain));
    add_run(&mut fixture, 4, "ser-slow", 1e-5, &[0.58, 0.60]);
    let mut model = model(width, height, Vec::new(), None);
    read(&fixture, &mut model);
    open::open(&mut model, runs.to_vec());
    press(&mut model, keys);
    read(&fixture, &mut model);
    (fixture, model)
}

#[test]
fn policies_side_by_side() {
    snapshots("compare_policies", |width, height| policies(width, height, &["l"]).1);
    snapshots("compare_matrix", |width, height| policies(width, height, &["Tab", "m", "j"]).1);
}

#[test]
fn policies_are_compared_among_themselves() {
    let (fixture, mut model) = policies(160, 48, &[]);
    for key in ["A", "a", "n", "r", "O"] {
        press(&mut model, &[key]);
        assert_eq!(toast(&model).0, "policies have no rounds and arms to compare", "{key}");
    }
    press(&mut model, &["e"]);
    let Some(Overlay::Choice(choice)) = &model.overlay else { panic!() };
    assert_eq!(choice.items[0].label, "policies.md");
    press(&mut model, &["Esc", "y"]);
    let Some(Overlay::Choice(choice)) = &model.overlay else { panic!() };
    assert!(choice.items[1].detail.starts_with("ser policy "), "{}", choice.items[1].detail);
    press(&mut model, &["Esc", "Tab", "Enter"]);
    assert_eq!(model.screen, Screen::Policy);
    // A mixed selection compares what it can, and says what is left out.
    let ids: Vec<RunId> = model.runs.all().map(|row| row.id.clone()).collect();
    open::open(&mut model, ids);
    read(&fixture, &mut model);
    assert_eq!((model.compare.runs.len(), model.compare.is_of_policies), (1, false));
    assert!(toast(&model).0.starts_with("3 policies are left out: "), "{}", toast(&model).0);
    // With a policy under the cursor and no marks, policies are compared.
    let at = model.runs.rows.iter().position(|row| row.kind == RunKind::Policy);
    model.runs.cursor = at.unwrap();
    open::open(&mut model, Vec::new());
    assert_eq!((model.compare.runs.len(), model.compare.is_of_policies), (2, true));
}

#[test]
fn marked_runs_are_compared_with_the_baseline_first() {
    let (fixture, runs) = fixture();
    let mut model = model(80, 24, Vec::new(), None);
    read(&fixture, &mut model);
    let row = Arc::make_mut(&mut model.runs.rows[1]);
    Arc::make_mut(&mut row.annotation).is_baseline = true;
    model.runs.starred = Some(model.runs.rows[1].clone());
    let baseline = model.runs.rows[1].id.clone();
    press(&mut model, &["G", " ", "c"]);
    assert_eq!(model.screen, Screen::Compare);
    assert_eq!(model.compare.runs, [baseline.clone(), runs[0].clone()]);
    assert_eq!(model.compare.base(), Some(&baseline));
    // Without marks and a baseline the selected run stands beside the newest.
    let mut model = crate::tui::tests::fixtures::model(80, 24, Vec::new(), None);
    read(&fixture, &mut model);
    press(&mut model, &["4"]);
    assert_eq!(model.compare.runs.len(), 2);
}

#[test]
fn columns_move_and_the_base_changes() {
    let (fixture, mut model) = opened(160, 48, 4);
    let runs = model.compare.runs.clone();
    assert_eq!((model.compare.column, model.compare.base()), (1, runs.first()));
    press(&mut model, &["l", "b"]);
    assert_eq!(model.compare.base(), Some(&runs[2]));
    press(&mut model, &["l"]);
    assert_eq!(model.compare.selected(), Some(&runs[0]), "as shown: the base stands first");
    press(&mut model, &["h"]);
    assert_eq!(model.wanted().compare.unwrap().beside, Some(runs[0].clone()));
    press(&mut model, &["H", "H"]);
    assert_eq!(model.compare.runs[0], runs[2]);
    read(&fixture, &mut model);
    press(&mut model, &["O"]);
    assert_eq!(model.compare.runs[0], runs[0], "the best first");
    assert_eq!(model.compare.selected(), Some(&runs[2]));
    press(&mut model, &["x"]);
    assert!(!model.compare.runs.contains(&runs[2]));
    assert_eq!(model.compare.base(), model.compare.runs.first(), "the base left");
    press(&mut model, &["r", "m", "a"]);
    let interest = model.wanted().compare.unwrap();
    assert_eq!(interest.rounds, RoundChoice::Best);
    read(&fixture, &mut model);
    assert!(picture(&draw(&model)).contains("validation accuracy"));
}

#[test]
fn a_pool_pair_opens_in_samples_and_a_test_pair_does_not() {
    let (_fixture, mut model) = opened(160, 48, 2);
    press(&mut model, &["Enter"]);
    let pairs = model.compare.data.as_ref().unwrap().beside.as_ref().unwrap().1.pairs.clone();
    let place = |split| pairs.iter().position(|pair| pair.split == split).unwrap();
    model.compare.pair = place(DisagreementSplit::Test);
    press(&mut model, &["Enter"]);
    assert_eq!(model.screen, Screen::Compare);
    assert!(model.toast.as_ref().unwrap().text.contains("only pool pairs"));
    model.compare.pair = place(DisagreementSplit::Pool);
    press(&mut model, &["Enter"]);
    assert_eq!(model.screen, Screen::Samples);
    assert_eq!(model.samples.run.as_ref(), Some(&model.compare.runs[1]));
    press(&mut model, &["Esc"]);
    assert_eq!((model.screen, model.compare.pane), (Screen::Compare, Pane::Pairs));
}

#[test]
fn tables_are_copied_and_written_under_a_name() {
    let (_fixture, mut model) = opened(160, 48, 3);
    let effects = press(&mut model, &["y", "m"]);
    let Some(Effect::Change(Change::Copy { text, .. })) = effects.first() else {
        panic!("{effects:?}")
    };
    assert!(text.starts_with("| field | A full-labels (base) |"), "{text}");
    let pictures = [('s', ImageForm::Svg), ('S', ImageForm::Png)];
    for (key, expected) in pictures {
        press(&mut model, &["e", &key.to_string()]);
        let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!("{key}") };
        let Purpose::Save { contents: Contents::Drawn { svg, form } } = &prompt.purpose else {
            panic!("{key}")
        };
        assert!(svg.starts_with("<svg") && *form == expected, "{key}: {svg}");
        assert_eq!(prompt.field.text(), format!("compare.{}", form.ending()));
        press(&mut model, &["Esc"]);
    }
    for (key, start) in [('c', "kind,key,"), ('j', "{"), ('m', "| field")] {
        press(&mut model, &["e", &key.to_string()]);
        let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!("{key}") };
        let Purpose::Save { contents: Contents::Text(contents) } = &prompt.purpose else {
            panic!("{key}")
        };
        assert!(contents.starts_with(start), "{key}: {contents}");
        let effects = press(&mut model, &["Enter"]);
        let [Effect::Change(Change::Save { overwrites: false, .. })] = &effects[..] else {
            panic!("{effects:?}")
        };
    }
    let exists =
        Answer::FileExists { path: "compare.md".into(), contents: Contents::Text("x".to_owned()) };
    update(&mut model, Message::Answer(exists));
    let effects = press(&mut model, &["y"]);
    let [Effect::Change(Change::Save { overwrites: true, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
}

#[test]
fn a_hundred_runs_fit() {
    let (fixture, runs) = fixture();
    let mut model = model(160, 48, Vec::new(), None);
    read(&fixture, &mut model);
    let many: Vec<RunId> = runs.iter().cycle().take(130).cloned().collect();
    open::open(&mut model, many);
    assert_eq!(model.compare.runs.len(), 100);
    read(&fixture, &mut model);
    for keys in [["9", "9", "l"], ["d", "n", "z"], ["z", "Enter", "j"]] {
        press(&mut model, &keys);
        draw(&model);
    }
}

#[test]
fn arms_are_read_when_they_are_looked_at() {
    let (fixture, mut model) = opened(80, 24, 4);
    assert!(!model.wanted().compare.unwrap().arms);
    press(&mut model, &["A"]);
    assert!(picture(&draw(&model)).contains("reading the arms"));
    read(&fixture, &mut model);
    let arms = &model.compare.data.as_ref().unwrap().arms.as_ref().unwrap().arms;
    // Four runs of one recipe that differ in their learning rate.
    assert_eq!(arms.len(), 4);
    let effects = press(&mut model, &["y", "a"]);
    let [Effect::Change(Change::CopyPrinted { printed, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(matches!(&printed.listing, Listing::Compared(list) if list.query.runs.len() == 4));
    press(&mut model, &["G", "Enter"]);
    assert_eq!(model.runs.marked.len(), 1);
    press(&mut model, &["A", "+"]);
    assert_eq!((model.compare.pane, model.splits.curves), (Pane::Table, -1));
}
