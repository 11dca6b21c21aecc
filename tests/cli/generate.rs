//! `ser generate`, `ser chat` and `ser best-of` with the embedded model.

use std::io::Write as _;
use std::process::Stdio;

use ser::domain::spec::{LoraSpec, LoraTarget, Tuning};
use ser::engine::export::{PolicyForm, export_policy};
use ser::engine::files::checkpoint::write_checkpoint;
use ser::engine::open::open_policy;
use ser::engine::{Backbone, OpenSettings};
use serde_json::Value;

use super::fixture::{Place, SPEC, stderr, stdout, succeeded};

const PROMPTS: &str = r#"{"prompt": "Name a fruit."}
{"messages": [{"role": "user", "content": "Name a color."}]}

{"text": "\n\nHuman: Finn has 4 bags with 9 balloons in each. How many balloons is that?\n\nAssistant:"}
"#;

fn answers(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn answers_come_in_the_order_of_the_prompts() {
    let place = Place::new();
    place.write("prompts.jsonl", PROMPTS);
    let found = answers(&succeeded(&place, &["generate", "embedded", "prompts.jsonl"]));
    let lines: Vec<u64> = found.iter().map(|it| it["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [1, 2, 4]);
    assert!(found.iter().all(|it| it["ended"] == "end_token"), "{found:?}");
    // A message has no space before it; a text is continued as it stands.
    let response = |i: usize| found[i]["response"].as_str().unwrap().to_owned();
    assert!(!response(0).starts_with(' ') && !response(1).starts_with(' '), "{found:?}");
    assert!(response(2).starts_with(' '), "{found:?}");

    let several =
        ["generate", "embedded", "prompts.jsonl", "-n", "3", "--rng-seed", "4", "--tokens"];
    let drawn = answers(&succeeded(&place, &several));
    let numbers: Vec<u64> = drawn.iter().map(|it| it["answer"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    for answer in &drawn {
        let n = answer["n_tokens"].as_u64().unwrap() as usize;
        assert_eq!(answer["tokens"].as_array().unwrap().len(), n);
        let each = answer["log_probabilities"].as_array().unwrap();
        let sum: f64 = each.iter().map(|it| it.as_f64().unwrap()).sum();
        assert!((sum - answer["log_probability"].as_f64().unwrap()).abs() < 1e-3);
    }
    let others = [several.as_slice(), &["--at-once", "2", "--threads", "1"]].concat();
    assert_eq!(answers(&succeeded(&place, &others)), drawn, "company changes nothing");
}

#[test]
fn stop_strings_lengths_and_whole_records() {
    let place = Place::new();
    place.write("prompts.jsonl", PROMPTS);
    let short = ["generate", "embedded", "prompts.jsonl", "--max-new-tokens", "2", "--full"];
    let found = answers(&succeeded(&place, &short));
    assert!(found.iter().all(|it| it["ended"] == "length" && it["n_tokens"] == 2));
    assert_eq!(found[0]["prompt"], "Name a fruit.");
    assert!(found[1]["prompt"].is_array() && found[1]["response"].is_string());
    assert!(found[2]["text"].as_str().unwrap().contains("Assistant: "));
    let stopped = ["generate", "embedded", "prompts.jsonl", "--stop", "a"];
    for answer in answers(&succeeded(&place, &stopped)) {
        let response = answer["response"].as_str().unwrap();
        assert!(answer["ended"] == "end_token" || !response.contains('a'), "{answer}");
    }
}

#[test]
fn mistakes_are_one_line_and_a_hint() {
    let place = Place::new();
    place.write("prompts.jsonl", "{\"prompt\": \"Hi\"}\n{\"id\": 1}\n{\"prompt\": \"Yes?\"}\n");
    for (arguments, parts) in [
        (vec!["generate", "embedded", "prompts.jsonl"], ["line 2: no `prompt`", "--skip-bad"]),
        (vec!["generate", "nothing", "prompts.jsonl"], ["nothing", "hint:"]),
        (vec!["generate", "embedded", "--temperature", "0"], ["`temperature` is `0`", "--greedy"]),
        (vec!["generate", "embedded", "--greedy", "-n", "2"], ["the same", "hint:"]),
        (vec!["chat", "embedded", "--chat-template", "plain"], ["no chat template", "hint:"]),
    ] {
        let output = place.ser(&arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments:?}: {text}");
    }
    let output = place.ser(&["generate", "embedded", "prompts.jsonl"]);
    assert_eq!(answers(&stdout(&output)).len(), 1, "what was answered before is there");
    let skipping = succeeded(&place, &["generate", "embedded", "prompts.jsonl", "--skip-bad"]);
    let found = answers(&skipping);
    assert!(found[1]["error"].as_str().unwrap().starts_with("no `prompt`"), "{found:?}");
    assert_eq!((found.len(), &found[2]["line"]), (3, &Value::from(3)));
}

#[test]
fn a_conversation_has_a_memory_and_commands() {
    let place = Place::new();
    let mut command = place.command(&["chat", "embedded", "--greedy"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(b"Name a fruit.\n/reset\nName a fruit.\n/what\n/system\n/quit\nName a color.\n")
        .unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], lines[1], "nothing is remembered after a reset");
    assert!(stderr(&output).contains("no command `/what`"));
}

#[test]
fn the_best_of_n_is_known_for_every_n_from_one_set_of_answers() {
    let place = Place::with_spec(SPEC);
    succeeded(&place, &["run", "spec.toml", "--plain", "--name", "a"]);
    let asked = [
        "best-of",
        "embedded",
        "embedded",
        "--reward",
        "a",
        "--reward",
        "a:0",
        "--gold",
        "oracle",
        "-n",
        "4",
        "--prompts",
        "5",
        "--max-new-tokens",
        "12",
        "--rng-seed",
        "3",
    ];
    let json = |asked: &[&str]| -> Value {
        serde_json::from_str(&succeeded(&place, &[asked, &["--json"]].concat())).unwrap()
    };
    let found = json(&asked);
    assert_eq!((&found["n_prompts"], &found["n_answers"]), (&Value::from(5), &Value::from(4)));
    let curves = found["rewards"].as_array().unwrap();
    let names: Vec<&str> = curves.iter().map(|it| it["reward"].as_str().unwrap()).collect();
    assert_eq!(names, ["round 1 of `a`", "round 0 of `a`"]);
    for curve in curves {
        let points = curve["curve"].as_array().unwrap();
        let ns: Vec<u64> = points.iter().map(|it| it["n"].as_u64().unwrap()).collect();
        assert_eq!(ns, [1, 2, 3, 4]);
        let of = |key: &str| -> Vec<f64> {
            points.iter().map(|it| it[key]["mean"].as_f64().unwrap()).collect()
        };
        assert!(of("proxy").is_sorted(), "the best of more is no worse to whoever chooses");
        assert_eq!(of("gold_gain")[0], 0.0);
        assert!(of("gold").iter().all(|it| (0.0..=1.0).contains(it)));
    }
    assert_eq!(
        json(&[asked.as_slice(), &["--at-once", "3"]].concat())["rewards"],
        found["rewards"]
    );
    let table = succeeded(&place, &asked);
    assert!(table.contains("best of") && table.contains("round 0 of `a`"), "{table}");
}

#[test]
fn what_cannot_be_chosen_or_judged_is_told() {
    let place = Place::with_spec(SPEC);
    succeeded(&place, &["run", "spec.toml", "--plain", "--name", "a"]);
    place.write("own.jsonl", "{\"prompt\": \"Is this one of yours?\"}\n");
    place.write("none.jsonl", "");
    for (arguments, parts) in [
        (
            ["own.jsonl", "--reward", "a", "--gold", "oracle"],
            ["does not know the prompt", "--gold"],
        ),
        (["none.jsonl", "--reward", "a", "--gold", "oracle"], ["has no prompts", "hint:"]),
        (["embedded", "--reward", "a:7", "--gold", "oracle"], ["no round 7", "hint:"]),
        (["embedded", "--reward", "embedded", "--gold", "oracle"], ["no reward head", "hint:"]),
    ] {
        let arguments = [&["best-of", "embedded", "-n", "2"], arguments.as_slice()].concat();
        let output = place.ser(&arguments);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{arguments:?}: {text}");
    }
}

/// A judge that reads the whole line and counts its characters; where the answer is empty it has no score.
const JUDGE: &str = r#"while read -r line; do
    id=${line#*:}; id=${id%%,*}
    case $line in *'"response":""'*) score=null ;; *) score=${#line} ;; esac
    echo "{\"id\": $id, \"score\": $score}"
done
echo goodbye >&2
"#;

#[test]
fn a_command_and_several_models_score_answers() {
    let place = Place::with_spec(SPEC);
    succeeded(&place, &["run", "spec.toml", "--plain", "--name", "a"]);
    place.write("judge.sh", JUDGE);
    place.write("prompts.jsonl", PROMPTS);
    let asked = ["generate", "embedded", "prompts.jsonl", "--reward"];
    let rewards = |name: &str| answers(&succeeded(&place, &[&asked[..], &[name]].concat()));
    for answer in rewards("command:sh judge.sh") {
        assert!(answer["reward"].as_f64().unwrap() > 20.0, "{answer}");
    }
    let alone = rewards("a");
    for (both, alone) in rewards("a,a:0").iter().zip(&alone) {
        let each = both["rewards"].as_array().unwrap();
        assert_eq!((each.len(), &each[0]), (2, &alone["reward"]));
        let mean = f64::midpoint(each[0].as_f64().unwrap(), each[1].as_f64().unwrap());
        assert!((both["reward"].as_f64().unwrap() - mean).abs() < 1e-6, "{both}");
    }
    // What `ser score` says of the same answers.
    let full = ["generate", "embedded", "prompts.jsonl", "--full"];
    place.write("answers.jsonl", succeeded(&place, &full));
    let scored = answers(&succeeded(&place, &["score", "a", "answers.jsonl"]));
    let of = |all: &[Value]| -> Vec<Value> { all.iter().map(|it| it["reward"].clone()).collect() };
    assert_eq!(of(&scored), of(&alone));

    let asked = ["best-of", "embedded", "-n", "4", "--prompts", "6", "--max-new-tokens", "12"];
    let names = ["--reward", "a,a:0", "--reward", "command:sh judge.sh", "--gold", "oracle"];
    let of_spread = |weight: &str| -> Value {
        let more = ["--spread-weight", weight, "--json"];
        let all = [&asked[..], &names, &more].concat();
        serde_json::from_str(&succeeded(&place, &all)).unwrap()
    };
    let (plain, careful) = (of_spread("0"), of_spread("1"));
    let proxy = |found: &Value, which: usize| {
        found["rewards"][which]["curve"][0]["proxy"]["mean"].as_f64().unwrap()
    };
    assert_eq!(plain["rewards"][0]["reward"], "round 1 of `a`, round 0 of `a`");
    assert!(proxy(&careful, 0) < proxy(&plain, 0), "the spread is taken away");
    assert_eq!(proxy(&careful, 1), proxy(&plain, 1), "one score has no spread");
}

#[test]
fn a_command_that_does_not_score_is_told() {
    let place = Place::new();
    place.write("prompts.jsonl", PROMPTS);
    let asked =
        |name: &str| place.ser(&["generate", "embedded", "prompts.jsonl", "--reward", name]);
    for (command, parts) in [
        (
            "command:echo no judge here >&2; exit 4",
            ["ended (exit status: 4) after 0 of 1 replies", "it said: no judge here", "by hand"],
        ),
        ("command:cat", ["left `score` out of line 1", "{\"id\":0,", "null"]),
        ("command:nowhere/judge", ["exit status: 127", "nowhere/judge", "hint:"]),
    ] {
        let output = asked(command);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{command}: {text}");
    }
    // A judge without a score for some of the answers: their prompts are left out of the curve.
    place.write("judge.sh", "i=0\nwhile read -r line; do id=${line#*:}; id=${id%%,*}
        if [ $id -lt 2 ]; then s=null; else s=$id; fi; echo \"{\\\"id\\\": $id, \\\"score\\\": $s}\"; done");
    let best =
        ["best-of", "embedded", "prompts.jsonl", "-n", "2", "--reward", "command:sh judge.sh"];
    let output = place.ser(&best);
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    let parts = ["has no score for 2 of 6 answers", "2 prompts, 2 answers to each"];
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    let none = ["best-of", "embedded", "prompts.jsonl", "-n", "2", "--prompts", "1"];
    let none = [&none[..], &["--reward", "command:sh judge.sh"]].concat();
    let output = place.ser(&none);
    assert!(stderr(&output).contains("no prompt all of whose answers have a score"));
    assert!(succeeded(&place, &["explain", "rubric"]).starts_with("# Rubric: 0 to 5 points"));
}

/// A policy before its first step answers like its backbone, also from its export.
#[test]
fn an_exported_policy_answers_prompts() {
    let place = Place::new();
    place.write("prompts.jsonl", PROMPTS);
    let settings = OpenSettings {
        tuning: Tuning::Lora(LoraSpec {
            rank: 2,
            alpha: 4.0,
            dropout: 0.0,
            targets: vec![LoraTarget::Query],
        }),
        ..OpenSettings::new(Backbone::Embedded, 128, 1)
    };
    let policy = open_policy(&settings).unwrap().unwrap();
    write_checkpoint(&place.path(""), "checkpoint", policy.as_ref(), "{}").unwrap();
    let dirs = ["policy", "adapter"].map(|name| place.path(name));
    for (dir, form) in dirs.iter().zip([PolicyForm::Model, PolicyForm::Adapter { place: &dirs[1] }])
    {
        std::fs::create_dir(dir).unwrap();
        export_policy(&settings, &place.path("checkpoint"), dir, form).unwrap();
    }
    let of = |model: &str| answers(&succeeded(&place, &["generate", model, "prompts.jsonl"]));
    let want = of("embedded");
    for model in ["policy", "adapter"] {
        for (found, want) in of(model).iter().zip(&want) {
            for key in ["line", "response", "n_tokens", "ended"] {
                assert_eq!(found[key], want[key], "{model}");
            }
        }
    }
    let output = place.ser(&["generate", "policy", "prompts.jsonl"]);
    let text = stderr(&output);
    assert!(text.contains("greedy (`generation_config.json`)"), "{text}");
    assert!(text.contains("ended by `</s>`; chat template"), "{text}");
}
