//! Exports, scoring and evaluation of finished runs.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::fixture::{Place, jsonl, pairs, stderr, stdout, succeeded, write_model};

const SPEC: &str = r#"
arm = "naive"
[data]
source = "pairs.jsonl"
test = "split"
seed_labels = 0.3
[train]
epochs = 1
batch_pairs = 8
[rounds]
max = 1
"#;

/// Gives the tiny model weights that tell texts apart: it is made of zeros.
fn fill_weights(dir: &Path) {
    let path = dir.join("model.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for (i, value) in bytes[8 + header..].chunks_exact_mut(4).enumerate() {
        let number = (i * 7919 % 1000) as f32 / 1000.0 - 0.45;
        value.copy_from_slice(&number.to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

/// A finished run named `a` of this backbone.
fn finished(backbone: &str) -> Place {
    let place = Place::new();
    // A word of its own, which the tiny tokenizer knows.
    let pairs: Vec<String> =
        pairs(200).iter().map(|line| line.replace("\"good", "\" good")).collect();
    place.write("pairs.jsonl", jsonl(&pairs));
    place.write("spec.toml", SPEC);
    write_model(&place.path("model"));
    fill_weights(&place.path("model"));
    let backbone = format!("model.backbone={backbone}");
    succeeded(&place, &["run", "spec.toml", "--plain", "--name", "a", "--set", &backbone]);
    place
}

#[track_caller]
fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.ser(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
    assert!(stderr(&output).contains("\nhint: "), "{}", stderr(&output));
    stderr(&output)
}

fn score(place: &Place, model: &str, input: &str, more: &[&str]) -> (Vec<Value>, String) {
    let arguments: Vec<&str> = ["score", model].iter().chain(more).copied().collect();
    let mut command = place.command(&arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let lines = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, stderr(&output))
}

#[test]
fn pseudo_labels_and_numbers_become_rows() {
    let place = finished("mock");
    let rows = |what: &str, form: &str| {
        let out = place.path(&format!("{what}.{form}"));
        let path = out.to_str().unwrap();
        succeeded(&place, &["export", "a", "--format", form, "--what", what, "-o", path]);
        std::fs::read_to_string(out).unwrap()
    };
    let labels = rows("labels", "jsonl");
    let first: Value = serde_json::from_str(labels.lines().next().unwrap()).unwrap();
    for key in ["prompt", "chosen", "rejected", "run", "round", "pair", "confidence", "verdict"] {
        assert!(first.get(key).is_some(), "{key}: {first}");
    }
    assert_eq!((&first["round"], &first["verdict"]), (&1.into(), &"none".into()));
    let n_selected = place.json(&["show", "a", "--json"])["rounds"][1]["n_selected"].clone();
    assert_eq!(n_selected, labels.lines().count());

    let pair = first["pair"].to_string();
    succeeded(&place, &["flip", "a", &pair]);
    let flipped = place.path("flipped.jsonl");
    let out = flipped.to_str().unwrap();
    succeeded(&place, &["export", "a", "--format", "jsonl", "-o", out]);
    let flipped = std::fs::read_to_string(&flipped).unwrap();
    let found = flipped.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found = found.into_iter().find(|row| row["pair"] == first["pair"]).unwrap();
    assert_eq!((&found["chosen"], &found["verdict"]), (&first["rejected"], &"flip".into()));
    succeeded(&place, &["veto", "a", &pair]);
    succeeded(&place, &["export", "a", "--format", "jsonl", "-o", out, "--force"]);
    let vetoed = std::fs::read_to_string(out).unwrap();
    assert_eq!(vetoed.lines().count() + 1, labels.lines().count());

    #[cfg(feature = "parquet")]
    {
        let out = place.path("labels.parquet");
        let path = out.to_str().unwrap();
        succeeded(&place, &["export", "a", "--format", "parquet", "-o", path]);
        let again = place.json(&["eval", "a", path, "--json"]);
        assert_eq!(again["all"]["n"], labels.lines().count() - 1);
    }
    let metrics = rows("metrics", "csv");
    assert!(metrics.starts_with("run,round,step,metric,value\n"), "{metrics}");
    assert!(metrics.contains(",test/accuracy,") && metrics.contains(",train/loss,"));
    assert!(rows("scores", "csv").lines().count() > labels.lines().count());
    let margins = rows("margins", "csv");
    assert!(margins.lines().nth(1).unwrap().contains(",validation,"), "{margins}");
}

#[test]
fn a_report_is_whole_and_escaped() {
    let place = finished("mock");
    let out = place.path("report.html");
    let path = out.to_str().unwrap();
    let place = &place;
    succeeded(place, &["note", "a", "<script>x</script>"]);
    succeeded(place, &["export", "a", "--format", "html", "-o", path, "--pairs", "3"]);
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"));
    assert!(!page.contains("{{") && !page.contains("<script") && !page.contains("://"), "{page}");
    assert_eq!(page.matches("<article>").count(), 3);
    for part in ["Accuracy", "Confidence", "Reliability", "selection.min_selected"] {
        assert!(page.contains(part), "{part}");
    }
    let set = ["--set", "model.backbone=mock"];
    let more = [&["run", "spec.toml", "--plain", "--name", "b", "--rng-seeds", "2"][..], &set];
    succeeded(place, &more.concat());
    succeeded(place, &["export", "a", "b", "--format", "html", "-o", path, "--force"]);
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.contains("2 runs side by side") && page.contains("<td>rng_seed</td>"), "{page}");
    pictures(place);
}

/// Charts of one run, and of two over each other, as both kinds of picture.
fn pictures(place: &Place) {
    for (runs, chart) in [(&["a"][..], "loss"), (&["a"], "confidence"), (&["a", "b"], "accuracy")] {
        for (form, start) in [("svg", &b"<svg "[..]), ("png", b"\x89PNG")] {
            let out = format!("{chart}.{form}");
            let more = ["--format", form, "--chart", chart, "-o", &out];
            succeeded(place, &[&["export"], runs, &more[..]].concat());
            let file = std::fs::read(place.path(&out)).unwrap();
            assert!(file.starts_with(start) && file.len() > 1_000, "{out}");
        }
    }
    let many = ["export", "a", "b", "--format", "png", "--chart", "reliability", "-o", "x.png"];
    assert!(refused(place, &many).contains("the reliability chart shows one run"));
    let html = ["export", "a", "--format", "html", "--chart", "loss", "-o", "x.html"];
    assert!(refused(place, &html).contains("`--chart` chooses what a picture shows"));
    let best = ["export", "a", "--format", "svg", "--best", "-o", "x.svg"];
    assert!(refused(place, &best).contains("a picture has all rounds"));
}

#[test]
fn what_cannot_be_exported_is_refused_and_leaves_nothing() {
    let place = finished("mock");
    let n_files = || std::fs::read_dir(place.path(".")).unwrap().count();
    let before = n_files();
    let hf = |more: &[&str]| {
        let arguments = [&["export", "a", "--format", "hf"][..], more].concat();
        refused(&place, &arguments)
    };
    assert!(hf(&["-o", "out"]).contains("the mock model has no weights to export"));
    assert!(hf(&["-o", "spec.toml"]).contains("`spec.toml` is there already"));
    assert!(hf(&["-o", "model", "--force"]).contains("a directory that no export made"));
    assert!(hf(&["-o", "no/such/out"]).contains("is no directory"));
    assert!(hf(&["-o", "out", "--round", "9"]).contains("`a` has no round 9"));
    let csv = ["export", "a", "a", "--format", "csv", "-o", "out"];
    assert!(refused(&place, &csv).contains("only a report or a picture takes more than one run"));
    let nobody = refused(&place, &["score", "nobody"]);
    assert!(nobody.contains("there is no run and no model folder `nobody`"), "{nobody}");
    assert_eq!(n_files(), before);
}

#[test]
fn an_exported_model_scores_and_evaluates_as_its_run() {
    let place = finished("model");
    succeeded(&place, &["export", "a", "--format", "hf", "-o", "out"]);
    let config: Value =
        serde_json::from_slice(&std::fs::read(place.path("out/config.json")).unwrap()).unwrap();
    assert_eq!(config["architectures"][0], "LlamaForSequenceClassification");
    let mode = |name: &str| std::fs::metadata(place.path(name)).unwrap().permissions().mode();
    assert_eq!(mode("out/model.safetensors"), mode("out/config.json"), "others may read both");
    assert!(
        refused(&place, &["export", "a", "--format", "peft", "-o", "x"]).contains("no adapter")
    );
    assert!(refused(&place, &["score", "./model"]).contains("`./model` has no reward head"));

    let input = "{\"prompt\":\"question\",\"response\":\" good answer\"}\n\
                 \n{\"prompt\":\"q\",\"responses\":[\" good\",\" poor\",\"\"]}\n\
                 {\"prompt\":\"q\"}\n{\"prompt\":\"q\",\"chosen\":\" a\",\"rejected\":\" good\"}\n";
    let (run, said) = score(&place, "a", input, &["--skip-bad"]);
    let (exported, _) = score(&place, "out", input, &["--skip-bad"]);
    assert_eq!(run, exported);
    assert_eq!(run.len(), 4, "{said}");
    assert!(said.contains("line 4") && said.contains("1 lines left out"), "{said}");
    assert_eq!(run[1]["rewards"].as_array().unwrap().len(), 3);
    assert!(run[2]["error"].is_string() && run[3]["margin"].is_number());
    let (some, said) = score(&place, "out", input, &["--full"]);
    assert_eq!(some.len(), 2, "what came before the bad line is there");
    assert_eq!(some[0]["response"], " good answer");
    assert!(said.contains("`-`: line 4: no `response`"), "{said}");

    let all = place.json(&["eval", "out", "pairs.jsonl", "--json"]);
    assert_eq!(all["all"]["n"], 200);
    // What `ser data check` takes: several files, a pattern; each pair of them counts.
    let twice = place.json(&["eval", "out", "pairs.jsonl", "pair?.jsonl", "--json"]);
    assert_eq!(
        (&twice["all"]["n"], &twice["dataset"]),
        (&json!(400), &json!("pairs.jsonl, pair?.jsonl"))
    );
    assert_eq!(twice["all"]["accuracy"], all["all"]["accuracy"]);
    let none = refused(&place, &["eval", "out", "none*.jsonl"]);
    assert!(none.contains("`none*.jsonl`: no file matches this pattern"), "{none}");
    let results = place.path("results.json");
    let csv = ["eval", "a", "pairs.jsonl", "--limit", "50", "--csv", "--rewardbench-out"];
    let csv = succeeded(&place, &[&csv[..], &[results.to_str().unwrap()]].concat());
    assert!(csv.lines().nth(1).unwrap().starts_with("all,50,"), "{csv}");
    let results: Value = serde_json::from_slice(&std::fs::read(results).unwrap()).unwrap();
    assert_eq!(results["model_type"], "Seq. Classifier");
}

#[test]
fn a_round_is_exported_while_its_weights_are_kept() {
    let place = finished("model");
    for (name, keep) in [("all", "all"), ("newest", "newest")] {
        let keep = format!("rounds.keep_weights={keep}");
        let sets = ["--set", "model.backbone=model", "--set", "rounds.max=3", "--set", &keep];
        let run = [&["run", "spec.toml", "--plain", "--name", name][..], &sets].concat();
        succeeded(&place, &run);
    }
    succeeded(&place, &["export", "all", "--format", "hf", "-o", "zero", "--round", "0"]);
    let marker = std::fs::read(place.path("zero/ser_export.json")).unwrap();
    let marker: Value = serde_json::from_slice(&marker).unwrap();
    let rounds = place.json(&["rounds", "all", "--json"]);
    assert_eq!(marker["weights_digest"], rounds["rounds"][0]["weights_digest"]);
    assert!(rounds["rounds"][3]["weights_digest"].is_string());
    assert_ne!(marker["weights_digest"], rounds["rounds"][3]["weights_digest"]);
    succeeded(&place, &["export", "a", "--format", "hf", "-o", "best", "--best"]);
    let gone = ["export", "newest", "--format", "hf", "-o", "gone", "--round", "0"];
    let gone = refused(&place, &gone);
    assert!(gone.contains("the weights of round 0 of `newest` are not kept"), "{gone}");
    assert!(gone.contains("hint: kept: round 3"), "{gone}");
}

#[test]
fn reward_bench_2_is_scored_by_its_own_rules() {
    let place = finished("mock");
    let line = |id: &str, subset: &str, chosen: &str| {
        format!(
            "{{\"id\":\"{id}\",\"subset\":\"{subset}\",\"prompt\":\"p\",\"chosen\":{chosen},\
             \"rejected\":[\"poor\",\"worse\",\"worst\"]}}"
        )
    };
    let lines = [
        line("1", "Factuality", "[\"good\"]"),
        line("ref:1", "Ties", "[\"good\"]"),
        line("tied:1", "Ties", "[\"good\",\"good good\"]"),
    ];
    place.write("rb2.jsonl", jsonl(&lines));
    let found = place.json(&["eval", "a", "rb2.jsonl", "--json"]);
    assert_eq!(found["subsets"]["Factuality"]["n"], 1);
    assert_eq!(found["subsets"]["Ties"]["n"], 2);
    assert!(found["score"].is_number());
    place.write("bad.jsonl", jsonl(&[lines[0].clone(), "{\"prompt\":\"p\"}".to_owned()]));
    let bad = refused(&place, &["eval", "a", "bad.jsonl"]);
    assert!(bad.contains("`bad.jsonl`: line 2: no field `chosen`, only `prompt`"), "{bad}");
}
