//! What a person asks of the program itself: words, settings, the database, and what goes to scripts.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::fixture::{Place, SPEC, stderr, stdout, succeeded};
use crate::patience::seconds;

#[test]
fn a_word_is_explained_in_a_few_lines() {
    let place = Place::new();
    for word in ["ECE", "τ", "vs★", "Δ", "▲", "ungated", "cov", "nothing_new", "kappa", "LoRA"]
    {
        let text = succeeded(&place, &["explain", word]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with("  what  ") && lines[2].starts_with("  good  "), "{text}");
    }
    let text = succeeded(&place, &["explain", "train.schedule"]);
    assert!(text.contains("values   linear, cosine, constant"), "{text}");
    let text = succeeded(&place, &["explain", "naive"]);
    assert!(
        text.contains("what  Naive self-training") && text.contains("selection.rule"),
        "{text}"
    );
    assert!(succeeded(&place, &["explain"]).lines().count() > 60);
    let found = place.json(&["explain", "brier", "--json"]);
    assert_eq!(found[0]["word"], "Brier");
    let output = place.ser(&["explain", "brire"]);
    assert!(stderr(&output).contains("did you mean `Brier`?"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
    assert!(!place.home().exists(), "asking makes no home");
}

#[test]
fn the_config_file_is_printed_and_can_be_used() {
    let place = Place::new();
    let path = succeeded(&place, &["config", "path"]);
    assert_eq!(path.trim_end(), place.home().join("config.toml").display().to_string());
    let text = succeeded(&place, &["config"]);
    let all: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    std::fs::create_dir_all(place.home()).unwrap();
    for file in [text, all] {
        std::fs::write(place.home().join("config.toml"), file).unwrap();
        let doctor = stdout(&place.ser(&["doctor", "--json"]));
        assert!(
            !doctor.contains("unknown setting") && !doctor.contains("unknown action"),
            "{doctor}"
        );
    }
    std::fs::write(place.home().join("config.toml"), "[keys]\npause = \"X\"\n").unwrap();
    let doctor = stdout(&place.ser(&["doctor", "--json"]));
    assert!(doctor.contains("did you mean `run.pause`?"), "{doctor}");
}

#[test]
fn the_database_answers_and_is_not_changed() {
    let place = Place::with_spec(SPEC);
    succeeded(&place, &["run", "spec.toml", "--plain", "--quiet", "--name", "first"]);
    let text = succeeded(&place, &["query", "SELECT name, rounds_max FROM runs"]);
    assert_eq!(text, "name   rounds_max\nfirst           1\n");
    let found =
        place.json(&["query", "--json", "SELECT round, test ->> '$.accuracy' AS a FROM rounds"]);
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    assert!(found[1]["a"].is_f64() || found[1]["a"].is_i64(), "{found}");
    let csv = succeeded(&place, &["query", "--csv", "SELECT name FROM runs"]);
    assert_eq!(csv, "name\nfirst\n");
    let capped = place.ser(&["query", "--limit", "2", "SELECT seq FROM events"]);
    assert_eq!(stdout(&capped).lines().count(), 3);
    assert!(stderr(&capped).contains("the first 2 rows"), "{}", stderr(&capped));
    for (sql, message, hint) in [
        ("DELETE FROM runs", "may only read this database", "begin with SELECT"),
        ("SELECT * FROM run", "no such table: run", "tables are annotations, baseline"),
        ("SELECT nmae FROM runs", "no such column: nmae", "runs.name"),
        ("SELECT", "incomplete input", "ser query --schema"),
    ] {
        let output = place.ser(&["query", sql]);
        let text = stderr(&output);
        assert!(text.contains(message) && text.contains(hint), "{sql}: {text}");
        assert_eq!((output.status.code(), text.lines().count()), (Some(2), 2), "{text}");
    }
    let schema = succeeded(&place, &["query", "--schema"]);
    assert!(schema.contains("CREATE TABLE runs (") && schema.contains("ser query"), "{schema}");
    // The examples of the page are questions that can be asked.
    let examples = schema.split("-- The schema.").next().unwrap_or_default();
    let mut asked: Vec<String> = Vec::new();
    for line in examples.lines() {
        // A line of SQL stands further in than what is said about it.
        match (line.strip_prefix("--     "), asked.last_mut()) {
            (Some(sql), Some(question)) if !sql.starts_with("SELECT") => {
                question.push(' ');
                question.push_str(sql.trim());
            }
            (Some(sql), _) => asked.push(sql.trim().to_owned()),
            (None, _) => {}
        }
    }
    for sql in &asked {
        succeeded(&place, &["query", sql]);
    }
    let n_asked = asked.len();
    assert!(n_asked >= 3, "{examples}");
}

#[test]
fn events_are_followed_as_json_lines() {
    let place = Place::with_spec(SPEC);
    succeeded(&place, &["run", "spec.toml", "--detach", "--name", "first"]);
    let text = succeeded(&place, &["show", "first", "--json", "--follow"]);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<i64> = events.iter().filter_map(|event| event["seq"].as_i64()).collect();
    assert!(numbers.windows(2).all(|two| two[0] < two[1]), "{numbers:?}");
    assert_eq!(events.last().map(|event| &event["event"]), Some(&Value::from("run_finished")));
    assert_eq!(place.ser(&["show", "first", "--follow"]).status.code(), Some(2));
}

#[test]
fn a_follower_of_events_ends_with_its_reader() {
    let place = Place::with_spec(SPEC);
    let mut start = place.command(&["run", "spec.toml", "--detach", "--name", "slow"]);
    start.env("SER_MOCK_DELAY_US", "20000");
    assert!(start.output().unwrap().status.success());
    let mut follower = place
        .command(&["show", "slow", "--json", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("run_started"));
    drop(lines);
    let deadline = Instant::now() + seconds(10);
    while follower.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it outlives its reader");
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = follower.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    succeeded(&place, &["stop", "slow"]);
}

#[test]
fn a_preset_is_started_by_its_name() {
    let place = Place::with_spec(SPEC);
    std::fs::create_dir_all(place.home().join("presets")).unwrap();
    std::fs::copy(place.path("spec.toml"), place.home().join("presets/quick.toml")).unwrap();
    let spec = succeeded(&place, &["run", "quick", "--print-spec"]);
    assert!(
        spec.contains("backbone = \"mock\"") && spec.contains("# Peak learning rate"),
        "{spec}"
    );
    succeeded(&place, &["run", "quick", "--plain", "--quiet"]);
    let output = place.ser(&["run", "quik"]);
    assert!(stderr(&output).contains("did you mean `quick`?"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(2));
    let words = succeeded(
        &place,
        &["complete", "--", "--home", &place.home().display().to_string(), "run", "qu"],
    );
    assert!(words.starts_with("quick\t"), "{words}");
}

#[test]
fn the_help_of_a_command_names_common_options_in_one_line() {
    let place = Place::new();
    let help = succeeded(&place, &["rounds", "--help"]);
    assert!(!help.contains("--ascii") && help.contains("Options of every command"), "{help}");
    assert!(succeeded(&place, &["--help"]).contains("--ascii"));
    // They are taken all the same.
    assert_eq!(place.ser(&["runs", "--ascii", "--read-only"]).status.code(), Some(0));
}
