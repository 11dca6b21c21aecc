//! What an import leaves, and what it does not.

use std::iter;

use super::batch::BATCH_PAIRS;
use super::*;
use crate::store::testing;
use crate::store::testing::N_PAIRS;
use crate::store::{Access, Store};

fn n_rows(store: &Store, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    store.connection.query_row(&sql, [], |row| row.get(0)).unwrap()
}

fn new(format: &str) -> NewDataset {
    NewDataset { source: "x".into(), format: format.into(), grouped_by: "prompt".into() }
}

fn items(n: usize) -> impl Iterator<Item = Result<ImportItem, StoreError>> {
    (1..).zip(testing::pairs(n)).map(|(line, pair)| Ok(ImportItem::Pair { line, pair }))
}

#[test]
fn a_data_set_is_found_by_its_content_and_kept_once() {
    let mut fixture = testing::store();
    let found = fixture.store.find_dataset("f00d").unwrap().unwrap();
    assert_eq!((found.id, found.n_pairs), (fixture.dataset, N_PAIRS as u64));
    let again = testing::import(&mut fixture.store, "f00d", testing::pairs(3).into_iter());
    assert_eq!(again.unwrap(), found);
    assert_eq!(fixture.store.datasets().unwrap(), [found]);
    assert_eq!(n_rows(&fixture.store, "pair_texts"), N_PAIRS as i64);
}

#[test]
fn a_failed_import_leaves_nothing() {
    let mut fixture = testing::store();
    let store = &mut fixture.store;
    let bad = iter::once(Err(StoreError::WriterEnded));
    let mut batches = Batches::new(items(BATCH_PAIRS + 10).chain(bad));
    let error = store.import_dataset(&new("jsonl"), &mut batches, || Ok("bad".into())).unwrap_err();
    assert!(matches!(error, StoreError::WriterEnded));
    // The files could be read, and not be read again for their fingerprint.
    let failing = || Err(StoreError::WriterEnded);
    let error =
        store.import_dataset(&new("jsonl"), &mut Batches::new(items(3)), failing).unwrap_err();
    assert!(matches!(error, StoreError::WriterEnded));
    assert!(store.find_dataset("bad").unwrap().is_none());
    assert_eq!(n_rows(store, "pairs"), N_PAIRS as i64);
    assert_eq!(n_rows(store, "datasets"), 1);
}

#[test]
fn only_a_data_set_of_the_same_layout_can_hold_the_same_pairs() {
    let fixture = testing::store();
    let has = |new: &NewDataset| fixture.store.has_datasets_like(new).unwrap();
    assert!(has(&new("jsonl")));
    assert!(!has(&new("hh-rlhf")));
    assert!(!has(&NewDataset { grouped_by: "topic".into(), ..new("jsonl") }));
}

#[test]
fn the_log_stays_short_and_commits_look_after_it_again() {
    let mut fixture = testing::store();
    let pair = |i: u64| crate::domain::preference::PreferencePair {
        prompt: format!("{i} {}", "long ".repeat(20_000)),
        ..testing::pairs(1).remove(0)
    };
    // 150 MB of text: more than the log may hold.
    let items = (1..=1_500).map(|i| Ok(ImportItem::Pair { line: i, pair: pair(i) }));
    let mut batches = Batches::new(items);
    let row =
        fixture.store.import_dataset::<StoreError>(&new("x"), &mut batches, || Ok("long".into()));
    assert_eq!(row.unwrap().n_pairs, 1_500);
    let log = fixture.home.database().with_extension("db-wal");
    let n_bytes = std::fs::metadata(log).unwrap().len();
    assert!(n_bytes < 80 << 20, "{n_bytes}");
    let pages: i64 = fixture
        .store
        .connection
        .pragma_query_value(None, "wal_autocheckpoint", |row| row.get(0))
        .unwrap();
    assert_eq!(pages, 1_000);
}

#[test]
fn what_a_dead_importer_left_is_swept_and_a_living_one_is_not() {
    let mut fixture = testing::store();
    for start in [0, 1] {
        let mut importer = liveness::current_worker();
        importer.process_start += start;
        let dataset = fixture.store.begin_import(&new("x")).unwrap();
        let batch = Batches::new(items(2)).next().unwrap().unwrap();
        fixture.store.write(|t| insert(t, dataset, 0, &batch)).unwrap();
        let importer = serde_json::to_string(&importer).unwrap();
        let sql = "UPDATE datasets SET importer = ?2 WHERE key = ?1";
        fixture.store.connection.execute(sql, (dataset, importer)).unwrap();
    }
    assert_eq!(n_rows(&fixture.store, "pairs"), N_PAIRS as i64 + 4);
    let store = Store::open(&fixture.home, Access::ReadWrite).unwrap();
    assert_eq!(n_rows(&store, "pairs"), N_PAIRS as i64 + 2);
    assert_eq!(store.datasets().unwrap().len(), 1);
    assert_eq!(n_rows(&store, "datasets"), 2);
}
