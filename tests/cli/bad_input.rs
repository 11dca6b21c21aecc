//! Every bad input gives one `error:` line that names file, line and value, a `hint:`, exit code 2,
//! and leaves nothing behind.

use super::fixture::{Place, jsonl, pairs, shapes, stderr, stdout, write_model, write_tensors};

/// Runs a command that must fail as the module's first line says; `named` are the parts of the
/// error line that make it useful, `hinted` a part of the hint.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], named: &[&str], hinted: &str) {
    let output = place.ser(arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(stdout(&output), "");
    // What was understood of a file comes before what is wrong with one of its records.
    let is_understood =
        |line: &&str| line.starts_with("understood: ") || line.starts_with("first pair: ");
    let lines: Vec<&str> = text.lines().filter(|line| !is_understood(line)).collect();
    assert_eq!(lines.len(), 2, "one error and one hint: {text}");
    let error = lines[0].strip_prefix("error: ").unwrap_or_else(|| panic!("{text}"));
    for part in named {
        assert!(error.contains(part), "{part:?} is not in {error:?}");
    }
    assert!(error.len() < 600, "{} bytes", error.len());
    let hint = lines[1].strip_prefix("hint: ").unwrap_or_else(|| panic!("{text}"));
    assert!(hint.contains(hinted), "{hinted:?} is not in {hint:?}");
    place.assert_nothing_left();
}

/// The same for a data file given to `ser run`.
#[track_caller]
fn refused_data(name: &str, content: impl AsRef<[u8]>, named: &[&str], hinted: &str) {
    let place = Place::new();
    place.write(name, content);
    let set = format!("data.source={name}");
    let arguments = ["run", "--plain", "--set", "model.backbone=mock", "--set", &set];
    refused(&place, &arguments, &[&[name], named].concat(), hinted);
    let imported = place.ser(&["data", "import", name]);
    assert_eq!(imported.status.code(), Some(2), "{}", stderr(&imported));
    place.assert_nothing_left();
}

#[track_caller]
fn refused_spec(content: &str, named: &[&str], hinted: &str) {
    let place = Place::new();
    place.write("x.toml", content);
    refused(&place, &["run", "x.toml"], &[&["`x.toml`"], named].concat(), hinted);
}

#[track_caller]
fn refused_model(change: impl FnOnce(&Place), named: &[&str], hinted: &str) {
    let place = Place::new();
    write_model(&place.path("m"));
    change(&place);
    place.write("pairs.jsonl", jsonl(&pairs(50)));
    let arguments = [
        "run",
        "--set",
        "model.backbone=m",
        "--set",
        "data.source=pairs.jsonl",
        "--set",
        "data.test=split",
    ];
    refused(&place, &arguments, named, hinted);
}

#[test]
fn a_missing_file() {
    let place = Place::new();
    refused(
        &place,
        &["run", "--set", "model.backbone=mock", "--set", "data.source=nowhere.jsonl"],
        &["`nowhere.jsonl`", "no such file"],
        "check the path",
    );
    refused(
        &place,
        &["run", "nowhere.toml"],
        &["`nowhere.toml`", "no such file"],
        "check the path",
    );
}

#[test]
fn an_empty_file() {
    refused_data("empty.jsonl", "", &["empty"], "one JSON object a line");
}

#[test]
fn broken_json_on_line_7() {
    let mut lines = pairs(20);
    lines[6] = r#"{"prompt": "p", "chosen" "x"}"#.to_owned();
    refused_data("x.jsonl", jsonl(&lines), &["line 7", "broken JSON", "\"chosen\" \"x\""], "line");
}

#[test]
fn a_missing_field() {
    let mut lines = pairs(20);
    lines[2] = r#"{"prompt": "p", "chosen": "c", "worse": "r"}"#.to_owned();
    refused_data("x.jsonl", jsonl(&lines), &["line 3", "`rejected`", "`worse`"], "`rejected`");
}

#[test]
fn chosen_equal_to_rejected() {
    let mut lines = pairs(20);
    lines[4] = r#"{"prompt": "p", "chosen": "same", "rejected": "same"}"#.to_owned();
    refused_data("x.jsonl", jsonl(&lines), &["line 5", "`chosen` equals `rejected`"], "differ");
}

#[test]
fn a_file_that_is_not_gzip() {
    refused_data("x.jsonl.gz", jsonl(&pairs(20)), &["gzip", "`7b 22`"], "`.gz`");
}

#[test]
fn bytes_that_are_not_utf8() {
    let mut bytes = jsonl(&pairs(3)).into_bytes();
    bytes.extend(b"{\"prompt\": \"p\", \"chosen\": \"\xff\", \"rejected\": \"r\"}\n");
    refused_data("x.jsonl", bytes, &["line 4", "0xff", "UTF-8"], "UTF-8");
}

#[test]
fn a_line_of_20_megabytes() {
    let long = "x".repeat(20_000_000);
    let line = format!(r#"{{"prompt": "p", "chosen": "{long}", "rejected": "r"}}"#);
    refused_data(
        "x.jsonl",
        jsonl(&[pairs(1)[0].clone(), line]),
        &["line 2", "longer than"],
        "line",
    );
}

#[test]
fn a_layout_that_no_format_has() {
    let line = r#"{"question": "q", "answer_1": "x", "answer_2": "y", "better": 1}"#;
    refused_data(
        "x.jsonl",
        line,
        &["line 1", "no known layout", "`answer_1`", "`better`"],
        "--column prompt=question --column a=answer_1 --column b=answer_2 --column label=better",
    );
    let unpaired = r#"{"prompt": "q", "completion": "x", "label": true}"#;
    refused_data("x.jsonl", unpaired, &["line 1", "`completion`", "not a pair"], "`rejected`");
}

#[test]
fn an_array_that_ends_early() {
    let array = format!("[{},\n{}", pairs(2)[0], &pairs(2)[1][..20]);
    refused_data("x.json", array, &["line 2", "broken JSON array", "element 2"], "whole");
}

#[test]
fn a_table_with_a_short_row() {
    let table = "prompt,chosen,rejected\np,a,b\nq,c\n";
    refused_data("x.csv", table, &["row 2 (line 3)", "`2` cells", "`3` columns"], "quotes");
}

#[test]
fn a_file_that_is_not_what_its_name_says() {
    let text = jsonl(&pairs(3));
    refused_data("x.parquet", &text, &["Parquet", "`7b 22 63 68`"], ".jsonl");
    refused_data("x.jsonl.zst", &text, &["zstd", "`7b 22 63 68`"], "`.zst`");
    refused_data("x.parquet", "PAR1 and no more", &["broken Parquet"], "again");
}

#[test]
fn a_folder_without_data_and_a_pattern_without_files() {
    let place = Place::new();
    place.write("docs/README.md", "words");
    let run = |source: &str, named: &[&str], hinted: &str| {
        let set = format!("data.source={source}");
        refused(&place, &["run", "--set", "model.backbone=mock", "--set", &set], named, hinted);
    };
    run("docs", &["`docs`", "no data file", "`README.md`"], ".parquet");
    run("docs/*.jsonl", &["`docs/*.jsonl`", "no file matches"], "quote");
}

#[test]
fn columns_and_formats_that_do_not_exist() {
    let place = Place::new();
    place.write("x.csv", "ask,one,two,better\nq,x,y,perhaps\n");
    let run = |sets: &[&str], named: &[&str], hinted: &str| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        let base = ["run", "--set", "model.backbone=mock", "--set", "data.source=x.csv"];
        refused(&place, &base.into_iter().chain(sets).collect::<Vec<_>>(), named, hinted);
    };
    run(&["data.format=hh"], &["unknown data format `hh`"], "hh-rlhf, trl");
    run(&["data.format=columns"], &["`data.columns.a`"], "data.columns.prompt");
    run(&["data.columns.prompt=ask"], &["`data.columns.a`", "empty"], "data.columns.a");
    let columns = ["data.columns.a=one", "data.columns.b=two"];
    run(
        &[&columns[..], &["data.columns.label=worse"]].concat(),
        &["row 1", "`worse`", "`better`"],
        "fields",
    );
    run(
        &[&columns[..], &["data.columns.label=better"]].concat(),
        &["row 1 (line 2)", "`better`", "`perhaps`"],
        "data.columns.values",
    );
    let mixed = ["data.source=[{path='x.csv', weight=1}, {path='x.csv'}]"];
    run(&mixed, &["`data.source`", "weights [1.0, 0.0]"], "data.source");
}

#[test]
fn too_few_pairs_to_divide() {
    let place = Place::new();
    place.write("x.jsonl", jsonl(&pairs(2)));
    let sets = [
        "--set",
        "model.backbone=mock",
        "--set",
        "data.source=x.jsonl",
        "--set",
        "data.test=split",
    ];
    refused(&place, &[&["run"], &sets[..]].concat(), &["`x.jsonl`", "2 pairs"], "more pairs");
}

#[test]
fn an_unknown_key_in_the_spec() {
    refused_spec(
        "rng_seed = 1\n\n[train]\n# slower\n\n\nlearnng_rate = 1e-4\n",
        &["unknown key `train.learnng_rate`", "line 7"],
        "`train.learning_rate`",
    );
}

#[test]
fn a_value_of_another_type() {
    refused_spec(
        "[train]\nepochs = \"two\"",
        &["`train.epochs`", "\"two\"", "line 2", "whole number"],
        "= 3",
    );
}

#[test]
fn a_spec_that_is_not_toml() {
    refused_spec("[train]\nepochs = = 2", &["line 2"], "key = value");
}

#[test]
fn a_seed_share_of_nothing_or_more_than_everything() {
    for value in ["0", "0.0", "1.5", "1"] {
        refused_spec(
            &format!("[data]\nseed_labels = {value}"),
            &["`data.seed_labels`", "line 2", "above 0 (1.0 is every pair)"],
            "0.15",
        );
    }
}

#[test]
fn an_unknown_arm_or_argument() {
    refused(&Place::new(), &["run", "--arm", "seed"], &["`seed`"], "`seed-only`");
    refused(&Place::new(), &["run", "--set", "epochs"], &["--set epochs"], "--set train.epochs=3");
    refused(&Place::new(), &["run", "--rng-seeds", "3,3"], &["3 twice"], "same run");
}

#[test]
fn a_directory_without_a_model() {
    refused_model(
        |place| std::fs::remove_file(place.path("m/config.json")).unwrap(),
        &["`m`", "`config.json`"],
        "`model.safetensors`",
    );
}

#[test]
fn weights_cut_short() {
    refused_model(
        |place| {
            let path = place.path("m/model.safetensors");
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
        },
        &["m/model.safetensors", "cut short", "expected", "found"],
        "again",
    );
}

#[test]
fn tensors_missing_or_misshapen() {
    refused_model(
        |place| {
            let mut shapes = shapes();
            shapes.remove("model.norm.weight");
            shapes.insert("model.embed_tokens.weight".into(), vec![5, 4]);
            write_tensors(&place.path("m"), &shapes);
        },
        &[
            "m/model.safetensors",
            "`model.norm.weight` is missing",
            "embed_tokens.weight` has shape [5, 4]",
        ],
        "same model",
    );
}

#[test]
fn an_unsupported_architecture() {
    refused_model(
        |place| {
            place.write("m/config.json", r#"{"model_type": "mamba"}"#);
        },
        &["m/config.json", "`mamba`"],
        "llama, mistral, qwen2",
    );
}

#[test]
fn more_tokens_than_positions() {
    let place = Place::new();
    write_model(&place.path("m"));
    let sets = ["--set", "model.backbone=m", "--set", "model.max_tokens=513"];
    refused(&place, &[&["run"], &sets[..]].concat(), &["513", "m/config.json", "512"], "512");
}

#[test]
fn a_run_that_does_not_exist() {
    let place = Place::new();
    for command in ["show", "rounds", "attach", "pause", "resume", "stop"] {
        let output = place.ser(&[command, "nothing"]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{command}: {text}");
        assert!(text.starts_with("error: ") && text.contains("hint: "), "{command}: {text}");
    }
}

#[test]
fn read_only_writes_nothing() {
    let place = Place::new();
    let output = place.ser(&["--read-only", "run", "--set", "model.backbone=mock"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!place.home().exists());
    assert!(place.ser(&["runs"]).status.success());
    assert!(place.ser(&[]).status.success());
    assert!(!place.home().exists(), "looking makes no home");
}
