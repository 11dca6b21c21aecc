//! Tests of lists as values: the same value gives the same text to whoever prints it.

use super::*;
use crate::store::testing;

fn runs(filter: &str, form: Form) -> Printed {
    Printed { listing: Listing::Runs { filter: filter.to_owned() }, form }
}

#[test]
fn a_list_is_written_in_the_form_asked_for() {
    let mut fixture = testing::store();
    let run = fixture.run("first, \"one\"");
    let csv = runs("", Form::Csv).text(&fixture.store).unwrap();
    assert!(csv.starts_with("id,name,status,round,"), "{csv}");
    assert!(csv.contains(&format!("{run},\"first, \"\"one\"\"\",queued,")), "{csv}");
    let markdown = runs("", Form::Markdown).text(&fixture.store).unwrap();
    assert!(markdown.starts_with("| id | name |"), "{markdown}");
    let json = runs("", Form::Json).text(&fixture.store).unwrap();
    assert!(json.starts_with("{\n  \"schema\": 1,") && json.ends_with("}\n"), "{json}");
    let rounds = Printed { listing: Listing::Rounds { run }, form: Form::Markdown };
    assert_eq!(rounds.text(&fixture.store).unwrap().lines().count(), 2, "no round yet");
}

#[test]
fn what_cannot_be_listed_says_why() {
    let mut fixture = testing::store();
    let run = fixture.run("first");
    let error = runs("nothing:x", Form::Csv).text(&fixture.store).unwrap_err();
    assert!(matches!(error, ReportError::RunFilter(_)), "{error}");
    let list = SampleList {
        run,
        round: None,
        filter: String::new(),
        order: crate::domain::review::Order::Pair,
        offset: 0,
        limit: 10,
        shows_gold: false,
    };
    let samples = |list| Printed { listing: Listing::Samples(list), form: Form::Csv };
    let error = samples(list.clone()).text(&fixture.store).unwrap_err();
    assert_eq!(error.to_string(), "`first` has scored no pair yet");
    assert!(error.hint().is_some());
    let error = samples(SampleList { round: Some(3), ..list }).text(&fixture.store).unwrap_err();
    assert_eq!(error.to_string(), "round 3 of `first` has no selection");
}
