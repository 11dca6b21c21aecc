//! Models and data sets by their name on the Hub: a server of the test's own, the real program.

use std::path::PathBuf;
use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::fixture::{Place, jsonl, pairs, stderr, stdout, write_model};
use server::{Response, Server};

#[path = "../../src/hub/test_server.rs"]
mod server;

const COMMIT: &str = "00112233445566778899aabbccddeeff00112233";
const TEMPLATE: &str =
    "{{ bos_token }}{% for m in messages %} {{ m.content }}{% endfor %}{{ eos_token }}";

/// Serves files as repositories `a/m` (a model), `a/l` (an adapter) and `a/p` (pairs).
fn serve(
    model: Vec<(String, Vec<u8>)>,
    adapter: Vec<(String, Vec<u8>)>,
    data: Vec<(String, Vec<u8>)>,
) -> Server {
    let listing = |files: &[(String, Vec<u8>)]| {
        let sibling = |(name, content): &(String, Vec<u8>)| {
            let digest = format!("{:x}", Sha256::digest(content));
            json!({"rfilename": name, "size": content.len(),
                   "lfs": {"sha256": digest, "size": content.len()}})
        };
        json!({"sha": COMMIT, "siblings": files.iter().map(sibling).collect::<Vec<_>>()})
            .to_string()
    };
    Server::new(move |request| {
        let path = request.path.as_str();
        let model_files = format!("/a/m/resolve/{COMMIT}/");
        let adapter_files = format!("/a/l/resolve/{COMMIT}/");
        let data_files = format!("/datasets/a/p/resolve/{COMMIT}/");
        let found = |files: &[(String, Vec<u8>)], name: &str| {
            let file = files.iter().find(|(file, _)| file == name);
            file.map_or(Response::status(404), |(_, content)| Response::file(content, request))
        };
        if path.starts_with("/api/models/a/m/revision/") {
            Response::ok(listing(&model))
        } else if path.starts_with("/api/models/a/l/revision/") {
            Response::ok(listing(&adapter))
        } else if path.starts_with("/api/datasets/a/p/revision/") {
            Response::ok(listing(&data))
        } else if let Some(name) = path.strip_prefix(&model_files) {
            found(&model, name)
        } else if let Some(name) = path.strip_prefix(&adapter_files) {
            found(&adapter, name)
        } else if let Some(name) = path.strip_prefix(&data_files) {
            found(&data, name)
        } else {
            Response::status(404)
        }
    })
}

/// A tiny model with a chat template, and pairs in two splits.
fn hub(place: &Place) -> Server {
    write_model(&place.path("m"));
    let tokenizer = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": TEMPLATE});
    place.write("m/tokenizer_config.json", tokenizer.to_string());
    place.write("m/pytorch_model.bin", "never asked for");
    let read = |name: &str| (name.to_owned(), std::fs::read(place.path("m").join(name)).unwrap());
    let names = [
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "tokenizer.json",
        "tokenizer_config.json",
    ];
    let lines = pairs(120);
    let data = vec![
        ("README.md".to_owned(), b"about".to_vec()),
        ("data/test.jsonl".to_owned(), jsonl(&lines[90..]).into_bytes()),
        ("data/train.jsonl".to_owned(), jsonl(&lines[..90]).into_bytes()),
    ];
    write_adapter(place);
    let read_adapter =
        |name: &str| (name.to_owned(), std::fs::read(place.path("l").join(name)).unwrap());
    let adapter = ["adapter_config.json", "adapter_model.safetensors"].map(read_adapter);
    serve(names.map(read).into(), adapter.into(), data)
}

/// An adapter over `a/m`, of a score alone.
fn write_adapter(place: &Place) {
    let keys = json!({"peft_type": "LORA", "task_type": "SEQ_CLS", "base_model_name_or_path": "a/m",
                      "r": 2, "lora_alpha": 4, "modules_to_save": ["score"]});
    let path = place.write("l/adapter_config.json", keys.to_string());
    let (shape, values) = ([1, 4], [0.5; 4]);
    let score = ("base_model.model.score.weight".to_owned(), shape.as_slice(), values.as_slice());
    let path = path.with_file_name("adapter_model.safetensors");
    ser::engine::files::weights::write_tensors(&path, &[score]).unwrap();
}

fn cache(place: &Place) -> PathBuf {
    place.path("hf-home")
}

fn ser(place: &Place, endpoint: &str, offline: &str, arguments: &[&str]) -> Output {
    let mut command = place.command(arguments);
    for key in ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_TOKEN", "HF_TOKEN_PATH"] {
        command.env_remove(key);
    }
    command
        .env("HF_ENDPOINT", endpoint)
        .env("HF_HOME", cache(place))
        .env("HF_HUB_OFFLINE", offline)
        .output()
        .unwrap()
}

const RUN: [&str; 16] = [
    "run",
    "--json",
    "--set",
    "model.backbone=hf:a/m",
    "--set",
    "data.source=hf:a/p",
    "--set",
    "data.test=hf:a/p",
    "--set",
    "train.epochs=1",
    "--set",
    "rounds.max=1",
    "--set",
    "data.seed_labels=0.3",
    "--set",
    "model.max_tokens=32",
];

fn document(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_run_by_name_keeps_the_commit_and_the_template_and_needs_no_network_again() {
    let place = Place::new();
    let server = hub(&place);
    let first = document(&ser(&place, &server.endpoint, "0", &RUN));
    assert_eq!(first["run"]["status"], "finished");
    let spec = &first["spec"];
    assert_eq!(spec["model"]["backbone"], format!("hf:a/m@{COMMIT}"));
    assert_eq!(spec["data"]["source"], format!("hf:a/p@{COMMIT}"));
    assert_eq!(spec["data"]["test"], format!("hf:a/p@{COMMIT}"));
    let requests = server.requests();
    assert!(requests.iter().all(|request| !request.path.contains("pytorch_model")));
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")));
    assert_eq!(requests.iter().filter(|request| request.path.ends_with("/train.jsonl")).count(), 1);
    // The template stands with the run.
    let home = ser::store::Home::new(place.home());
    let store = ser::store::Store::open(&home, ser::store::Access::ReadOnly).unwrap();
    let run = store.find_run(first["run"]["id"].as_str().unwrap()).unwrap();
    let template = store.chat_template(&run.id).unwrap().unwrap();
    assert_eq!((template.name.as_str(), template.text.as_str()), ("own", TEMPLATE));
    drop(store);
    // From the cache alone, the same run gives the same numbers.
    let again = document(&ser(&place, "http://127.0.0.1:1", "1", &RUN));
    assert_eq!(again["rounds"], without_times(&first["rounds"], &again["rounds"]));
    assert_eq!(server.requests().len(), requests.len());
    let listed = document(&ser(&place, "http://127.0.0.1:1", "1", &["model", "list", "--json"]));
    let listed = listed.as_array().unwrap();
    let model = listed.iter().find(|model| model["name"] == format!("hf:a/m@{COMMIT}")).unwrap();
    assert_eq!((&model["family"], &model["has_chat_template"]), (&json!("llama"), &json!(true)));
}

/// `rounds` with the times of `others`, which no two runs share.
fn without_times(rounds: &Value, others: &Value) -> Value {
    let mut rounds = rounds.clone();
    for (round, other) in rounds.as_array_mut().unwrap().iter_mut().zip(others.as_array().unwrap())
    {
        round["wall_s"] = other["wall_s"].clone();
    }
    rounds
}

#[test]
fn models_are_checked_and_imported_by_name_and_from_folders() {
    let place = Place::new();
    let server = hub(&place);
    let found =
        document(&ser(&place, &server.endpoint, "0", &["model", "check", "hf:a/m", "--json"]));
    assert_eq!(found["name"], format!("hf:a/m@{COMMIT}"));
    assert_eq!((&found["has_reward_head"], &found["problem"]), (&json!(false), &Value::Null));
    let imported = ser(&place, &server.endpoint, "0", &["model", "import", "m", "--name", "mine"]);
    assert_eq!(stdout(&imported), "imported `m` as `mine`\n", "{}", stderr(&imported));
    std::fs::remove_dir_all(place.path("m")).unwrap();
    let found =
        document(&ser(&place, &server.endpoint, "0", &["model", "check", "mine", "--json"]));
    assert_eq!(found["family"], "llama");
    assert!(!place.home().join("models/mine/pytorch_model.bin").exists());
    let twice = ser(&place, &server.endpoint, "0", &["model", "import", "mine", "--name", "mine"]);
    assert_eq!(twice.status.code(), Some(2));
    assert!(stderr(&twice).contains("there is a model named `mine` already"));
    std::fs::remove_file(place.home().join("models/mine/config.json")).unwrap();
    let broken =
        ser(&place, &server.endpoint, "0", &["model", "import", "mine", "--name", "other"]);
    assert_eq!(broken.status.code(), Some(2));
    let names = std::fs::read_dir(place.home().join("models")).unwrap().count();
    assert_eq!(names, 1, "nothing is left of a copy that failed");
}

#[test]
fn an_adapter_stands_on_the_model_that_it_names_on_the_hub() {
    let place = Place::new();
    let server = hub(&place);
    let nowhere = "http://127.0.0.1:1";
    let check = |endpoint: &str, offline: &str, model: &str| {
        ser(&place, endpoint, offline, &["model", "check", model, "--json"])
    };
    let missing = check(nowhere, "1", "l");
    assert_eq!(missing.status.code(), Some(2));
    let said = stderr(&missing);
    assert!(said.contains("names the base model `a/m`"), "{said}");
    assert!(said.contains("fetch it (`ser model import hf:a/m`)"), "{said}");
    // Who names the adapter on the Hub gets both.
    let found = document(&check(&server.endpoint, "0", "hf:a/l"));
    assert_eq!((&found["family"], &found["has_reward_head"]), (&json!("llama"), &json!(true)));
    assert_eq!(document(&check(nowhere, "1", "l"))["has_reward_head"], true);

    let mut arguments = RUN.to_vec();
    arguments[3] = "model.backbone=l";
    arguments.extend(["--name", "r", "--set", "model.tuning=lora"]);
    let run = document(&ser(&place, &server.endpoint, "0", &arguments));
    assert_eq!(run["run"]["status"], "finished");
    for format in ["hf", "peft"] {
        let arguments = ["export", "r", "--format", format, "-o", format];
        let exported = ser(&place, nowhere, "1", &arguments);
        assert!(exported.status.success(), "{}", stderr(&exported));
        assert_eq!(document(&check(nowhere, "1", format))["has_reward_head"], true);
    }
}

#[test]
fn names_that_cannot_be_had_say_why() {
    let place = Place::new();
    let server = Server::new(|request| match request.path.as_str() {
        path if path.contains("/gated/") => Response::status(401),
        path if path.contains("/pickled/") => Response::ok(
            json!({"sha": COMMIT, "siblings": [
                {"rfilename": "config.json"}, {"rfilename": "tokenizer.json"},
                {"rfilename": "pytorch_model.bin"}]})
            .to_string(),
        ),
        _ => Response::status(404),
    });
    let refused = |name: &str, said: &str, hinted: &str| {
        let set = format!("model.backbone={name}");
        let output = ser(&place, &server.endpoint, "0", &["run", "--plain", "--set", &set]);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains(said) && lines[1].contains(hinted), "{text}");
        assert_eq!(lines.len(), 2, "{text}");
        assert!(!cache(&place).exists());
        place.assert_nothing_left();
    };
    refused("hf:a/gated", "`hf:a/gated` may not be read (401)", "HF_TOKEN");
    refused("hf:a/missing", "there is no `hf:a/missing`", "hf:owner/name[@revision]");
    refused("hf:a/pickled", "`hf:a/pickled` has no weights in safetensors", "pickled weights");
    refused("hf:../../etc", "is not `hf:owner/name[@revision]`", "for example `hf:");
    refused("hf:a", "there is no `/`", "for example `hf:");
    refused("nowhere", "there is no model `nowhere`", "hf:owner/name");
    let offline = ser(&place, &server.endpoint, "1", &["model", "import", "hf:a/m"]);
    assert!(stderr(&offline).contains("`HF_HUB_OFFLINE` is set"), "{}", stderr(&offline));
    assert_eq!(offline.status.code(), Some(2));
}

#[test]
fn the_shell_learns_the_commands() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&place.ser(&["completions", shell]));
        assert!(script.replace('\'', "").contains("ser complete --"), "{shell} asks the program");
        assert!(!script.contains("pretrain"), "{shell}: hidden commands stay hidden");
    }
    let output = place.ser(&["man", "pages"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let page = std::fs::read_to_string(place.path("pages/ser-model-import.1")).unwrap();
    assert!(page.contains("hf:owner/name") && page.contains("Examples"), "{page}");
    assert!(!place.path("pages/ser-worker.1").exists());
    let version = stdout(&place.ser(&["--version"]));
    let lines: Vec<&str> = version.lines().collect();
    assert_eq!(lines[0], concat!("ser ", env!("CARGO_PKG_VERSION")));
    assert!(lines[1].starts_with("target: ") && lines[2].starts_with("features: "), "{version}");
    let help = stdout(&place.ser(&["model", "import", "--help"]));
    assert!(help.contains("Examples:\n  ser model import hf:owner/name"), "{help}");
}
