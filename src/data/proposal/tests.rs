//! Guesses on small files in the layouts of published sets, with texts of our own.

use std::cmp::Ordering::{Equal, Greater, Less};

use super::guess::propose;
use super::*;
use crate::data::settings::ReadSettings;
use crate::data::testing::write;

fn given(lines: &[&str], columns: &str) -> Option<Proposal> {
    let dir = tempfile::tempdir().unwrap();
    let source = write(dir.path(), "x.jsonl", lines.join("\n").as_bytes());
    let columns = toml::from_str(columns).unwrap();
    propose(&source, &ReadSettings { columns, ..ReadSettings::default() })
}

fn of(lines: &[&str]) -> Proposal {
    given(lines, "").unwrap()
}

#[test]
fn a_label_is_found_and_its_values_are_counted() {
    let it = of(&[
        r#"{"input":"Name a fruit.","output_1":"Pear","output_2":"Oak","label":1,"id":7}"#,
        r#"{"input":"Name a tree.","output_1":"Pear","output_2":"Oak","label":2,"id":8}"#,
        r#"{"input":"Name a bird.","output_1":"Owl","output_2":"Oak","label":1,"id":9}"#,
    ]);
    let options =
        "--column prompt=input --column a=output_1 --column b=output_2 --column label=label";
    assert_eq!(it.options(), options);
    assert_eq!(it.judge, Judge::Label(vec![("1".into(), 2, Greater), ("2".into(), 1, Less)]));
    assert!(it.is_complete() && it.question().is_none());
    let pair = |record, prompt: &str, chosen: &str, rejected: &str| {
        let [prompt, chosen, rejected] = [prompt, chosen, rejected].map(str::to_owned);
        ShownPair { record, prompt, chosen, rejected }
    };
    let pairs = [pair(1, "Name a fruit.", "Pear", "Oak"), pair(2, "Name a tree.", "Oak", "Pear")];
    assert_eq!(it.pairs, pairs);
    assert_eq!(it.unused.len(), 1);
    assert_eq!(it.unused[0].about, "7 (1), 8 (1), 9 (1)");
}

#[test]
fn annotators_vote_and_alpacas_fields_are_one_prompt() {
    let line = |x, y, z, input| {
        format!(
            r#"{{"instruction":"Shorten.","input":"{input}","response1":"a b","response2":"a","annotator1":{x},"annotator2":{y},"annotator3":{z}}}"#
        )
    };
    let lines = [line(1, 2, 0, "a b c"), line(2, 2, 1, "")];
    let it = of(&lines.each_ref().map(String::as_str));
    assert_eq!(
        it.options(),
        r"--column 'prompt={instruction}\n{input}' --column a=response1 --column b=response2 --column label=annotator1,annotator2,annotator3"
    );
    let votes = vec![("0".into(), 1, Equal), ("1".into(), 2, Greater), ("2".into(), 3, Less)];
    assert_eq!(it.judge, Judge::Label(votes));
    // The first record is a tie.
    assert_eq!((it.pairs.len(), it.pairs[0].record), (1, 2));
    assert_eq!(it.pairs[0].prompt, "Shorten.");
}

#[test]
fn several_answers_are_labeled_pair_by_pair() {
    let it = of(&[
        r#"{"question":"Two and two?","prediction 1":"4","prediction 2":"5","prediction 3":"four","preference":[1,0,2],"gold":"4"}"#,
    ]);
    assert_eq!(
        it.options(),
        "--column prompt=question --column 'a=prediction 1,prediction 2,prediction 3' --column \
         label=preference"
    );
    assert!(matches!(&it.judge, Judge::Label(values) if values.len() == 3));
    assert_eq!((it.pairs[0].chosen.as_str(), it.pairs[0].rejected.as_str()), ("4", "5"));
}

#[test]
fn names_of_answers_may_say_it_and_lists_are_answers() {
    let it = of(&[
        r#"{"instruction":"Is ice cold?","correct_answers":["Yes","It is"],"incorrect_answers":["No"]}"#,
    ]);
    assert_eq!(it.judge, Judge::Names);
    assert_eq!(
        it.options(),
        "--column prompt=instruction --column a=correct_answers --column b=incorrect_answers \
         --column label=a"
    );
    assert_eq!((it.pairs[0].chosen.as_str(), it.pairs[0].rejected.as_str()), ("Yes", "No"));
}

#[test]
fn labels_may_name_the_columns_and_scores_may_judge() {
    let it = of(&[
        r#"{"title":"Walk or ride","a1":"walk","a2":"ride","gold":"a2","votes":["a1","a2"]}"#,
        r#"{"title":"Walk or ride","a1":"run","a2":"ride","gold":"a1","votes":["a1","a1"]}"#,
        r#"{"title":"Walk or ride","a1":"sit","a2":"ride","gold":"equal","votes":["a1","a2"]}"#,
    ]);
    let options = "--column prompt=title --column a=a1 --column b=a2 --column label=gold";
    assert_eq!(it.options(), options);
    assert_eq!(it.unused[0].about, "lists of 2: a1 (4), a2 (2)");
    let it = of(&[
        r#"{"q":"?","question":"Who?","answer_a":"x","answer_b":"y","score_a":1.5,"score_b":3}"#,
    ]);
    assert_eq!(it.judge, Judge::Score);
    assert!(it.options().ends_with("--column score=score_a,score_b"), "{}", it.options());
    assert_eq!(it.pairs[0].chosen, "y");
}

#[test]
fn what_is_not_known_is_asked_and_never_assumed() {
    let asked = |lines: &[&str]| {
        let it = of(lines);
        assert!(it.columns.has_no_judge() && !it.is_complete());
        it.question().unwrap()
    };
    let line = |label: &str| format!(r#"{{"prompt":"p","answer_1":"x","answer_2":"y"{label}}}"#);
    assert_eq!(asked(&[&line("")]), "label=COLUMN");
    // 0 and 1 mean opposite things in two customs.
    let binary = [line(r#","label":0"#), line(r#","label":1"#)];
    let binary = binary.each_ref().map(String::as_str);
    assert_eq!(asked(&binary), "label=label --column values=1,0");
    let unknown = [line(r#","winner":"gpt""#), line(r#","winner":"llama""#)];
    assert_eq!(asked(&unknown.each_ref().map(String::as_str)), "label=winner");
    // One value alone may be a split or a language.
    let constant = [line(r#","label":"a""#), line(r#","label":"a""#)];
    assert_eq!(asked(&constant.each_ref().map(String::as_str)), "label=label");
}

#[test]
fn labels_may_be_the_words_in_which_the_answers_names_differ() {
    let line = |label: &str| {
        let texts = r#""cand_L":"That is a pear.","cand_R":"That is an oak.""#;
        format!(
            r#"{{"id":7,"q_text":"What kind of a thing is it, please?",{texts},"which":"{label}"}}"#
        )
    };
    let lines = [line("R"), line("L"), line("tie"), line("R")];
    let it = of(&lines.each_ref().map(String::as_str));
    assert_eq!(
        it.options(),
        "--column prompt=q_text --column a=cand_L --column b=cand_R --column label=which --column \
         values=L,R,tie"
    );
    let values = vec![("L".into(), 1, Greater), ("R".into(), 2, Less), ("tie".into(), 1, Equal)];
    assert_eq!(it.judge, Judge::Label(values));
    assert_eq!(it.pairs[0].chosen, "That is an oak.");
}

#[test]
fn values_that_are_not_understood_are_asked_for() {
    let line = |label: &str| format!(r#"{{"prompt":"p","x":"one","y":"two","who":"{label}"}}"#);
    let lines = [line("gpt"), line("llama"), line("llama")];
    let lines = lines.each_ref().map(String::as_str);
    let it = given(&lines, "a = 'x'\nb = 'y'\nlabel = 'who'").unwrap();
    assert!(!it.is_complete());
    assert_eq!(it.question().as_deref(), Some("values=llama,gpt"));
    let it = given(&lines, "a = 'x'\nb = 'y'\nlabel = 'who'\nvalues = ['gpt', 'llama']").unwrap();
    assert_eq!((it.judge.clone(), it.question()), (Judge::Said, None));
}

#[test]
fn what_was_said_stays_and_the_label_is_found_beside_it() {
    let lines = [
        r#"{"input":"Q","x":"one","y":"two","label":1}"#,
        r#"{"input":"Q","x":"one","y":"two","label":2}"#,
    ];
    let it = given(&lines, "prompt = 'input'\na = 'x'\nb = 'y'").unwrap();
    assert_eq!(it.columns.label, crate::domain::spec::Names::One("label".into()));
    let it = given(&lines, "a = 'x'\nb = 'y'\nlabel = 'a'").unwrap();
    assert_eq!((it.judge, it.columns.prompt.as_str()), (Judge::Said, "input"));
}

#[test]
fn no_guess_is_made_where_no_two_fields_are_answers() {
    for line in [
        r#"{"topic":"t","rank":0.5,"argument":"because it is so, and for no other reason"}"#,
        r#"{"prompt":"p","completion":"c","label":true}"#,
        r#"{"model_a":"m","model_b":"n","prompt":"p"}"#,
        r#"{"score_1":1,"score_2":2}"#,
    ] {
        assert_eq!(given(&[line], ""), None, "{line}");
    }
}

#[test]
fn options_survive_a_shell() {
    let columns = |text: &str| options(&toml::from_str::<ColumnsSpec>(text).unwrap());
    assert_eq!(columns("a = 'x y'\nb = \"it's\""), r"--column 'a=x y' --column 'b=it'\''s'");
    assert_eq!(columns("prompt = \"{a}\\n{b}\""), r"--column 'prompt={a}\n{b}'");
    assert_eq!(columns("a = 'fragen/öffnen'"), "--column a=fragen/öffnen");
}
