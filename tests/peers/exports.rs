//! What leaves: labels that no trainer takes for something else, and pairs in the form they came in.

use serde_json::{Value, json};

use crate::cli::fixture::{Place, jsonl, stderr};

/// Pairs of messages with a system turn, in which the chosen answer always holds the word `good`.
fn conversations(n: usize) -> Vec<String> {
    let turn = |role: &str, content: String| json!({"role": role, "content": content});
    let line = |i: usize| {
        json!({
            "prompt": [turn("system", "Be brief.".into()), turn("user", format!("question {i}"))],
            "chosen": [turn("assistant", format!("good answer {i}"))],
            "rejected": [turn("assistant", format!("poor answer {i}"))],
        })
        .to_string()
    };
    (0..n).map(line).collect()
}

/// TRL's `RewardTrainer` takes a column `margin` as the target margin of its loss.
#[test]
fn labels_leave_as_messages_and_without_a_target_margin() {
    let place = Place::new();
    place.write("pairs.jsonl", jsonl(&conversations(200)));
    let run =
        ["run", "--plain", "--name", "a", "--arm", "naive", "--set", "data.source=pairs.jsonl"];
    let settings = ["--set", "model.backbone=mock", "--set", "rounds.max=1"];
    let output = place.ser(&[&run[..], &settings].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let output = place.ser(&["export", "a", "--format", "jsonl", "-o", "labels.jsonl"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let labels = std::fs::read_to_string(place.path("labels.jsonl")).unwrap();
    let rows = labels.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<Value> = rows.collect();
    assert!(!rows.is_empty());
    for row in &rows {
        assert!(row.get("margin").is_none(), "{row}");
        assert!(row["reward_margin"].is_number(), "{row}");
        let roles = |key: &str| -> Vec<&str> {
            let turns = row[key].as_array().map(Vec::as_slice).unwrap_or_default();
            turns.iter().filter_map(|turn| turn["role"].as_str()).collect()
        };
        assert_eq!(roles("prompt"), ["system", "user"], "{row}");
        assert_eq!((roles("chosen"), roles("rejected")), (vec!["assistant"], vec!["assistant"]));
    }
}
