//! A run whose rounds scored as many pairs as a bench wants.

use ser::domain::event::{EventRecord, RunEvent, SelectionSummary};
use ser::domain::metrics::histogram::ConfidenceHistogram;
use ser::domain::preference::{PairId, PreferencePair};
use ser::domain::pseudo_label::PairScore;
use ser::domain::random::{Place, Purpose};
use ser::domain::run::RunId;
use ser::domain::selection::learning_status::LearningStatus;
use ser::domain::selection::{LeftOut, ScoredPair};
use ser::domain::spec::ExperimentSpec;
use ser::store::events::liveness;
use ser::store::{Batches, ImportItem, NewDataset, NewRun, Store, StoreError};

/// A word that one pair in ten thousand holds.
pub const RARE: &str = "zanzibar";

/// A run with two rounds over `n_pairs` pairs.
pub fn fill(store: &mut Store, n_pairs: usize, n_chars: usize) -> RunId {
    let new =
        NewDataset { source: "bench".into(), format: "jsonl".into(), grouped_by: "prompt".into() };
    let items = (0..n_pairs).map(|i| -> Result<ImportItem, StoreError> {
        Ok(ImportItem::Pair { line: i as u64 + 1, pair: text_pair(i, n_chars) })
    });
    let dataset = store
        .import_dataset(&new, &mut Batches::new(items), || Ok("bench".into()))
        .expect("imported")
        .id;
    let spec: ExperimentSpec = toml::from_str(include_str!("../../assets/default.toml"))
        .expect("the default spec is a spec");
    let new = NewRun { name: None, spec: &spec, dataset, test_dataset: None, experiment: None };
    let run = store.create_run(&new).expect("created").id;
    store.begin_attempt(&run, &liveness::current_worker()).expect("taken");
    for round in [1, 2] {
        store.apply(&[record(&run, round.into(), round, n_pairs)]).expect("applied");
    }
    run
}

/// The selection of a round as event `seq` of the run's first attempt.
pub fn record(run: &RunId, seq: u64, round: u32, n_pairs: usize) -> EventRecord {
    EventRecord { run: run.clone(), attempt: 1, seq, at_ms: 0, event: selection(round, n_pairs) }
}

fn text_pair(i: usize, n_chars: usize) -> PreferencePair {
    let text = |kind: &str| {
        let mut text = format!("{kind} {i} ");
        while text.len() < n_chars {
            text.push_str("lorem ipsum dolor sit amet ");
        }
        text.truncate(n_chars.max(20));
        text
    };
    let mut chosen = text("chosen");
    if i.is_multiple_of(10_000) {
        chosen.push_str(" Zanzibar");
    }
    PreferencePair {
        form: ser::domain::text::conversation::TextForm::Dialogue,
        group: format!("g{i}"),
        prompt: text("prompt"),
        chosen,
        rejected: text("rejected")[..n_chars.max(20) / (1 + i % 3)].to_owned(),
        slice: ["a", "b", "c"][i % 3].to_owned(),
        label_noise: false,
    }
}

fn selection(round: u32, n_pairs: usize) -> RunEvent {
    let place = Place::new(5, Purpose::Mock).at(round, 0);
    let pairs: Vec<ScoredPair> = (0..n_pairs as u32)
        .map(|pair| {
            let reward_a = (place.normal(u64::from(pair)) * 2.0) as f32;
            let left_out = (reward_a.abs() < 1.0).then_some(LeftOut::NotSeparated);
            ScoredPair {
                score: PairScore { pair: PairId(pair), reward_a, reward_b: 0.0 },
                left_out,
            }
        })
        .collect();
    let n_selected = pairs.iter().filter(|pair| pair.left_out.is_none()).count() as u64;
    let confidences = |all: bool| {
        let kept = pairs.iter().filter(|pair| all || pair.left_out.is_none());
        ConfidenceHistogram::of(kept.map(|pair| pair.score.confidence()))
    };
    let summary = SelectionSummary {
        learning_status: LearningStatus::Status1,
        reward_offset: 0.0,
        n_scored: n_pairs as u64,
        n_selected,
        n_vetoed: 0,
        n_flipped: None,
        coverage: Some(n_selected as f64 / n_pairs as f64),
        pseudo_label_precision: None,
        pool_accuracy: None,
        left_out: [(LeftOut::NotSeparated, n_pairs as u64 - n_selected)].into(),
        histogram: confidences(true),
        selected_histogram: confidences(false),
        by_origin: None,
        audit: Box::default(),
    };
    RunEvent::SelectionMade { round, summary, pairs }
}
