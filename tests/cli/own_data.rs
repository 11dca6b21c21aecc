//! Data of one's own, from a file nobody knows to a run: proposed, shown, written, asked about.

use std::process::Stdio;

use serde_json::Value;

use super::fixture::{Place, jsonl, pairs, stderr, stdout, succeeded};

/// Sixty records of a layout that is not known, of which every third has the second answer as the better
/// one.
fn unknown() -> String {
    let line = |i: usize| {
        let label = if i.is_multiple_of(3) { 2 } else { 1 };
        let (one, two) = if label == 1 { ("good", "poor") } else { ("poor", "good") };
        format!(
            r#"{{"input":"question {i}","output_1":"{one} answer {i}","output_2":"{two} answer {i}","label":{label},"id":{i}}}"#
        )
    };
    (0..60).map(line).collect::<Vec<_>>().join("\n")
}

const GUESS: &str =
    "--column prompt=input --column a=output_1 --column b=output_2 --column label=label";

#[test]
fn an_unknown_layout_is_proposed_with_its_labels_and_two_pairs() {
    let place = Place::new();
    place.write("x.jsonl", unknown());
    let refused = place.ser(&["data", "check", "x.jsonl"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        stderr(&refused),
        format!(
            "error: `x.jsonl`: line 1: no known layout has the fields `id`, `input`, `label`, \
             `output_1`, `output_2`\n\
             guess: {GUESS}\n       (1 → a 40, 2 → b 20)\n\
             \x20 pair 1  (record 1)\n  prompt  question 0\n  ✓       good answer 0\n  ✗       poor \
             answer 0\n\
             \x20 pair 2  (record 2)\n  prompt  question 1\n  ✓       good answer 1\n  ✗       poor \
             answer 1\n\
             not used       id: 60 different numbers from 0 to 59\n\
             hint: run the same command with these options, or write them into a spec with `--write \
             spec.toml`\n"
        )
        .replace("60 different numbers", "numbers")
    );
    // What was proposed is what a paste gives.
    let pasted: Vec<&str> = GUESS.split(' ').collect();
    let text = succeeded(&place, &[&["data", "check", "x.jsonl"], &pasted[..]].concat());
    for line in
        ["pairs          60\n", "  ✓       good answer 0\n", "not used       id: numbers from"]
    {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    // An import does not guess; it says where the guess is told.
    let refused = place.ser(&["data", "import", "x.jsonl"]);
    let said = stderr(&refused);
    let told = format!("hint: `ser data check x.jsonl` shows pairs by a guess, `{GUESS}`;");
    assert!(said.contains(&told), "{said}");
    place.assert_nothing_left();
}

#[test]
fn a_proposal_is_written_as_a_spec_that_runs() {
    let place = Place::new();
    place.write("x.jsonl", unknown());
    let output = place.ser(&["data", "check", "x.jsonl", "--write", "spec.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.ends_with("wrote `spec.toml`: `ser run spec.toml` starts with it\n"), "{said}");
    let spec = std::fs::read_to_string(place.path("spec.toml")).unwrap();
    assert!(
        spec.ends_with(
            "[data.columns]\nprompt = \"input\"\na = \"output_1\"\nb = \"output_2\"\nlabel = \"label\"\n"
        ),
        "{spec}"
    );
    let run =
        ["run", "spec.toml", "--plain", "--set", "model.backbone=mock", "--set", "rounds.max=0"];
    succeeded(&place, &run);
    assert_eq!(place.json(&["data", "list", "--json"])[0]["n_pairs"], 60);
    // A reader that goes away takes nothing with it.
    let mut command = place.command(&["data", "check", "x.jsonl", "--write", "cut.toml"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
    assert_eq!(std::fs::read_to_string(place.path("cut.toml")).unwrap(), spec);
    // What is there is not overwritten.
    let refused = place.ser(&["data", "check", "x.jsonl", "--write", "spec.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    assert!(said.starts_with("error: `spec.toml` is there already\n"), "{said}");
    assert_eq!(std::fs::read_to_string(place.path("spec.toml")).unwrap(), spec);
    // A known layout is written too.
    place.write("known.jsonl", jsonl(&pairs(60)));
    let known = ["data", "check", "known.jsonl", "--limit", "40", "--write", "known.toml"];
    succeeded(&place, &known);
    let spec = std::fs::read_to_string(place.path("known.toml")).unwrap();
    assert!(spec.contains("known.jsonl\"\nlimit = 40\n") && !spec.contains("columns"), "{spec}");
}

#[test]
fn a_missing_label_is_asked_for_and_never_assumed() {
    let place = Place::new();
    place.write("x.jsonl", unknown());
    let columns = ["--column", "prompt=input", "--column", "a=output_1", "--column", "b=output_2"];
    let refused = place.ser(&[&["data", "import", "x.jsonl"], &columns[..]].concat());
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    assert!(
        said.starts_with(
            "error: `x.jsonl`: `data.columns` does not say which answer is better (output_1, output_2)\n"
        ),
        "{said}"
    );
    assert!(said.contains("--column label=label`"), "{said}");
    // The same for a run.
    let mut run =
        vec!["run", "--plain", "--set", "model.backbone=mock", "--set", "data.source=x.jsonl"];
    let sets = ["data.columns.a=output_1", "data.columns.b=output_2"];
    run.extend(sets.iter().flat_map(|set| ["--set", *set]));
    let refused = place.ser(&run);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    place.assert_nothing_left();
    // Said, it is taken.
    let said = [&["data", "import", "x.jsonl"], &columns[..], &["--column", "label=a"]].concat();
    let output = place.ser(&said);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("; the first is the better one, as was said;"));
}

/// Sixty records whose columns have names that no list knows.
fn odd() -> String {
    let line = |i: usize| {
        let (left, right) = if i.is_multiple_of(3) { ("good", "poor") } else { ("poor", "good") };
        let better = if left == "good" { "links" } else { "rechts" };
        format!(
            "{i};Was ist die beste Antwort auf {i}?;{left} answer {i};{right} answer {i};{better}"
        )
    };
    let head = "nr;Frage;Antwort links;Antwort rechts;besser".to_owned();
    std::iter::once(head).chain((0..60).map(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn answers_alike_but_for_one_word_are_guessed_and_labels_that_are_that_word() {
    let place = Place::new();
    place.write("x.csv", odd());
    let output = place.ser(&["data", "check", "x.csv", "--write", "spec.toml"]);
    let said = stderr(&output);
    for line in [
        "guess: --column prompt=Frage --column 'a=Antwort links' --column 'b=Antwort rechts' --column \
         label=besser --column values=links,rechts\n",
        "       (links → a 20, rechts → b 40)\n",
        "  prompt  Was ist die beste Antwort auf 0?\n  ✓       good answer 0\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in {said}");
    }
    let spec = std::fs::read_to_string(place.path("spec.toml")).unwrap();
    assert!(spec.ends_with("values = [\"links\", \"rechts\"]\n"), "{spec}");
}

#[test]
fn values_of_a_label_that_are_not_understood_are_listed_to_be_ordered() {
    let place = Place::new();
    place.write("x.csv", odd().replace(";links\n", ";gut\n").replace(";rechts", ";schlecht"));
    let refused = place.ser(&[
        "data",
        "check",
        "x.csv",
        "--column",
        "label=besser",
        "--column",
        "a=Antwort links",
        "--column",
        "b=Antwort rechts",
    ]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    for line in [
        "error: `x.csv`: row 1 (line 2): field `besser` is `gut`",
        "besser holds gut (20), schlecht (40): which value is for which answer is not known\n",
        "add `--column values=schlecht,gut`, in the order for a, for b, for neither\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in {said}");
    }
}

#[test]
fn a_label_that_nobody_can_guess_is_shown_with_its_values() {
    let place = Place::new();
    let text =
        unknown().replace("\"label\":1", "\"label\":0").replace("\"label\":2", "\"label\":1");
    place.write("x.jsonl", text);
    let refused = place.ser(&["data", "check", "x.jsonl", "--write", "spec.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    let said = stderr(&refused);
    for line in [
        "       which answer is better is not known: nothing is assumed\n",
        "  a?      poor answer 0\n  b?      good answer 0\n",
        "label is not used; it holds 0 (40), 1 (20): --column label=label?\n",
        "add `--column label=label --column values=1,0` if that says it",
    ] {
        assert!(said.contains(line), "{line:?} is not in {said}");
    }
    assert!(!place.path("spec.toml").exists());
}

#[test]
fn pairs_of_a_data_set_are_shown_and_it_is_removed_unless_a_run_uses_it() {
    let place = Place::new();
    place.write("pairs.jsonl", jsonl(&pairs(80)));
    place.write("other.jsonl", jsonl(&pairs(50)));
    succeeded(&place, &["data", "import", "other.jsonl"]);
    succeeded(
        &place,
        &[
            "run",
            "--plain",
            "--name",
            "uses-it",
            "--set",
            "model.backbone=mock",
            "--set",
            "rounds.max=0",
            "--set",
            "data.source=pairs.jsonl",
        ],
    );
    let shown = place.json(&["data", "show", "1", "--limit", "2", "--json"]);
    assert_eq!(shown, place.json(&["data", "show", "other.jsonl", "--limit", "2", "--json"]));
    assert_eq!(shown.as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&shown[1]["pair"], &shown[1]["reading"]),
        (&1.into(), &"question and answer".into())
    );
    let text = succeeded(&place, &["data", "show", "other.jsonl", "--limit", "1"]);
    let prompt = shown[0]["prompt"].as_str().unwrap();
    assert!(text.contains(&format!("  prompt {prompt}\n  ✓      ")), "{text}");
    let in_use = place.ser(&["data", "remove", "2"]);
    assert_eq!(in_use.status.code(), Some(2));
    let said = stderr(&in_use);
    assert!(said.starts_with("error: data set 2 is used by 1 run: `uses-it`\nhint: "), "{said}");
    let removed = succeeded(&place, &["data", "remove", "1"]);
    assert_eq!(removed, "removed data set 1: 50 pairs of `other.jsonl`\n");
    for command in [["data", "show", "1"], ["data", "remove", "1"]] {
        let gone = place.ser(&command);
        assert_eq!(gone.status.code(), Some(2));
        assert!(stderr(&gone).starts_with("error: there is no data set 1\nhint: `ser data list`"));
    }
}

#[test]
fn a_folder_names_the_files_of_it_that_can_be_read() {
    let place = Place::new();
    place.write("set/good_1.jsonl", jsonl(&pairs(20)));
    place.write("set/good_2.jsonl", jsonl(&pairs(10)));
    place.write("set/kto.jsonl", r#"{"prompt":"p","completion":"c","label":true}"#);
    let refused = place.ser(&["data", "check", "set"]);
    let said = stderr(&refused);
    assert!(said.starts_with("error: `set/kto.jsonl`: line 1: one answer alone"), "{said}");
    assert!(
        said.ends_with(
            "hint: name the files that can be read: set/good_1.jsonl set/good_2.jsonl\n"
        ),
        "{said}"
    );
}

#[test]
fn a_shells_escapes_in_a_template_are_line_ends() {
    let place = Place::new();
    let line = |i: usize| {
        format!(r#"{{"instruction":"Add {i}.","input":"{i} and 1","x":"good {i}","y":"poor {i}"}}"#)
    };
    place.write("x.jsonl", (0..40).map(line).collect::<Vec<_>>().join("\n"));
    let columns = [
        "--column",
        r"prompt={instruction}\n{input}",
        "--column",
        "a=x",
        "--column",
        "b=y",
        "--column",
        "label=a",
    ];
    let arguments = [&["data", "show", "x.jsonl", "--limit", "1", "--json"], &columns[..]].concat();
    assert_eq!(place.json(&arguments)[0]["prompt"], "Add 0.\n0 and 1");
    let wrong = place.ser(&["data", "check", "x.jsonl", "--column", r"prompt={instruction}\q"]);
    let said = stderr(&wrong);
    assert!(said.contains(r"has `\q`, an escape that TOML does not know"), "{said}");
}

#[test]
fn findings_name_their_records_and_what_a_run_does() {
    let place = Place::new();
    let mut lines = pairs(40);
    lines.push(lines[4].clone());
    place.write("x.jsonl", jsonl(&lines));
    let output = place.ser(&["data", "check", "x.jsonl"]);
    let text = stdout(&output);
    assert!(
        text.contains(
            "warning        1 of 41 (2.4 %) duplicates of an earlier pair\n  where        record 41 as 5\n  \
             then         a run keeps every copy, on the same side of its split\n"
        ),
        "{text}"
    );
    assert!(stderr(&output).contains("hint: look at the named records, or"), "{}", stderr(&output));
    // Two groups of which one is almost everything.
    let line = |i: usize| {
        let topic = if i < 6 { i } else { 6 + i % 2 };
        format!(
            r#"{{"prompt":"q {i}","chosen":"good {i}","rejected":"poor {i}","topic":"t{topic}"}}"#
        )
    };
    place.write("lopsided.jsonl", (0..400).map(line).collect::<Vec<_>>().join("\n"));
    let output = place.ser(&["data", "check", "lopsided.jsonl", "--group", "topic"]);
    let text = stdout(&output);
    assert!(
        text.contains(
            ": 400 pairs in 8 groups are too few to split\n  then         name a finer group"
        ),
        "{text}"
    );
    // No record is named, so there is none to look at.
    let said = stderr(&output);
    assert!(said.ends_with("hint: allow more with `--max-share`\n"), "{said}");
}

#[test]
fn a_limit_is_a_sample_that_a_run_and_an_import_share() {
    let place = Place::new();
    place.write("pairs.jsonl", jsonl(&pairs(300)));
    let sample = |seed: &str| -> Value {
        let home = Place::new();
        home.write("pairs.jsonl", jsonl(&pairs(300)));
        succeeded(&home, &["data", "import", "pairs.jsonl", "--limit", "60", "--rng-seed", seed]);
        home.json(&["data", "show", "1", "--limit", "0", "--json"])
    };
    let (first, second) = (sample("1"), sample("2"));
    let numbers = |pairs: &Value| -> Vec<String> {
        let all = pairs.as_array().unwrap().iter();
        all.map(|pair| pair["prompt"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((numbers(&first).len(), numbers(&second).len()), (60, 60));
    assert_ne!(numbers(&first), numbers(&second));
    // Not the first sixty.
    let head = place.json(&["data", "show", "pairs.jsonl", "--limit", "60", "--json"]);
    assert!(numbers(&first).iter().filter(|it| !numbers(&head).contains(it)).count() > 20);
    succeeded(&place, &["data", "import", "pairs.jsonl", "--limit", "60", "--rng-seed", "3"]);
    let run = [
        "run",
        "--plain",
        "--set",
        "model.backbone=mock",
        "--set",
        "rounds.max=0",
        "--set",
        "data.source=pairs.jsonl",
        "--set",
        "data.limit=60",
        "--set",
        "rng_seed=3",
    ];
    succeeded(&place, &run);
    assert_eq!(place.json(&["data", "list", "--json"]).as_array().map(Vec::len), Some(1));
}
