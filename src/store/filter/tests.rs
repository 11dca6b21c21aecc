//! Tests of the filter language.

use std::sync::Arc;

use super::*;
use crate::domain::metrics::Evaluation;
use crate::store::{Annotation, testing};

fn row() -> RunRow {
    let mut fixture = testing::store();
    let run = fixture.run("ser-Pythia-s3");
    let mut row = fixture.store.run(&run).unwrap().row;
    let margins: Vec<f64> = (0..1000).map(|i| if i < 724 { 1.0 } else { -1.0 }).collect();
    row.latest_test = Evaluation::from_margins(&margins).as_ref().map(Into::into);
    let tags = vec!["paper".into(), "tau-sweep".into()];
    let note = "higher rate, Ärger".into();
    row.annotation = Arc::new(Annotation { tags, note, ..Annotation::default() });
    row.created_at_ms = 0;
    row
}

#[test]
fn terms_mean_what_the_grammar_says() {
    let row = row();
    let now_ms = 36 * 3_600_000;
    let holds = |text: &str| RunFilter::parse(text).unwrap().matches(&row, now_ms);
    for yes in [
        "",
        "  ",
        "pythia",
        "PYTHIA",
        "ser s3",
        "tag:paper",
        "tag=paper",
        "tag:swe",
        "!tag=swe",
        "st:queued",
        "st=queued",
        "!st:done",
        "acc>.7",
        "acc>=.724",
        "acc:.72",
        "acc:72%",
        "acc:.70-.75",
        "acc<.73",
        "!acc<.7",
        "acc!=.6",
        "lr:1e-4",
        "lr=0.0001",
        "lr<1e-3",
        "tau:.7",
        "rng=3",
        "veto=0",
        "round:0",
        "age>1d",
        "age<2d",
        "age:1d-2d",
        "model:mock",
        "data=embedded",
        "arm:ser",
        "\"higher rate\"",
        "note:ärger",
        "is:tagged is:noted",
        "!is:archived",
        "!is:live",
        "name:S3 acc>.7 tag:paper",
        "state!=done",
        "!",
    ] {
        assert_eq!(holds(yes), yes != "!", "{yes}");
    }
    for no in [
        "minilm",
        "tag=pap",
        "tag!=paper",
        "acc>.724",
        "acc:.71",
        "acc<=.72",
        "lr>1e-4",
        "kept>0",
        "kept<9",
        "kept!=0",
        "is:archived",
        "is:live",
        "is:baseline",
        "!paper",
        "age<1d",
        "rng=30",
        "acc:.8-.9",
        "\"rate higher\"",
    ] {
        assert!(!holds(no), "{no}");
    }
}

#[test]
fn archived_runs_show_when_asked_for() {
    let mut row = row();
    Arc::make_mut(&mut row.annotation).is_archived = true;
    let holds = |text: &str| RunFilter::parse(text).unwrap().matches(&row, 0);
    assert!(!holds("") && !holds("pythia"));
    assert!(holds("is:archived") && holds("is:archived pythia") && !holds("!is:archived"));
}

#[test]
fn mistakes_are_named_with_a_way_out() {
    for (text, message, hint) in [
        ("foo:1", "there is no field `foo` to filter by", "fields are st, state, name"),
        ("acuracy>1", "there is no field `acuracy` to filter by", "did you mean `accuracy`?"),
        ("acc>much", "`much` is not a number for `acc`", "for example `acc>0.7`"),
        ("age<2", "`2` is not a number for `age`", "for example `age<2d`"),
        ("tag>x", "`tag` is a text: `>` has no meaning for it", "write `tag:part`"),
        ("is:fine", "`is:fine` is not known", "it takes live"),
        ("acc>", "a value is missing behind `acc>`", "for example `acc>.7"),
    ] {
        let error = RunFilter::parse(text).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert!(error.hint().unwrap().starts_with(hint), "{:?}", error.hint());
    }
}
