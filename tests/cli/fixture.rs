//! A home of its own for each test, and tiny inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

/// A spec that finishes in a second.
pub const SPEC: &str = r#"
arm = "ser-paper"
[model]
backbone = "mock"
[data]
source = "pairs.jsonl"
test = "split"
seed_labels = 0.3
[train]
loss = "bradley_terry"
epochs = 1
batch_pairs = 8
[selection]
min_selected = 1
[rounds]
max = 1
"#;

/// A folder with inputs, and a home beside them.
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with 200 pairs and this `spec.toml`.
    pub fn with_spec(spec: &str) -> Self {
        let place = Self::new();
        place.write("pairs.jsonl", jsonl(&pairs(200)));
        place.write("spec.toml", spec);
        place
    }

    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Runs `ser` in the folder, without a terminal and without the caller's settings.
    pub fn ser(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same command, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ser"));
        command
            .arg("--home")
            .arg(self.home())
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SER_HOME")
            .env_remove("SER_LOG")
            .stdin(Stdio::null());
        command
    }

    /// The JSON that a command prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.ser(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Asserts that no run, no data set and no file is there but the database itself.
    pub fn assert_nothing_left(&self) {
        assert_eq!(self.json(&["runs", "--json"])["runs"], json!([]));
        assert_eq!(self.json(&["data", "list", "--json"]), json!([]));
        if !self.home().exists() {
            return;
        }
        for entry in std::fs::read_dir(self.home()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(["ser.db", "ser.db-wal", "ser.db-shm"].contains(&name.as_str()), "{name}");
        }
    }
}

/// What a command prints that has to succeed.
#[track_caller]
pub fn succeeded(place: &Place, arguments: &[&str]) -> String {
    let output = place.ser(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Pairs in which the chosen answer always holds the word `good`.
pub fn pairs(n: usize) -> Vec<String> {
    let line = |i: usize| {
        json!({"prompt": format!("question {i}"), "chosen": format!("good answer {i}"),
               "rejected": format!("poor answer {i}")})
        .to_string()
    };
    (0..n).map(line).collect()
}

pub fn jsonl(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

/// A whole Llama-family model directory of a few hundred parameters.
pub fn write_model(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let config = json!({
        "model_type": "llama", "hidden_act": "silu", "vocab_size": 4, "hidden_size": 4,
        "intermediate_size": 6, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "max_position_embeddings": 512, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2
    });
    std::fs::write(dir.join("config.json"), config.to_string()).unwrap();
    let token = |id: usize, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [token(0, "<unk>"), token(1, "<s>"), token(2, "</s>")],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "unk_token": "<unk>",
                  "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "good": 3}}
    });
    std::fs::write(dir.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    write_tensors(dir, &shapes());
}

/// The tensors of that model.
pub fn shapes() -> BTreeMap<String, Vec<usize>> {
    let layer = [
        ("input_layernorm.weight", vec![4]),
        ("post_attention_layernorm.weight", vec![4]),
        ("self_attn.q_proj.weight", vec![4, 4]),
        ("self_attn.k_proj.weight", vec![2, 4]),
        ("self_attn.v_proj.weight", vec![2, 4]),
        ("self_attn.o_proj.weight", vec![4, 4]),
        ("mlp.gate_proj.weight", vec![6, 4]),
        ("mlp.up_proj.weight", vec![6, 4]),
        ("mlp.down_proj.weight", vec![4, 6]),
    ];
    let layer = layer.map(|(name, shape)| (format!("model.layers.0.{name}"), shape));
    let outside = [("model.embed_tokens.weight", vec![4, 4]), ("model.norm.weight", vec![4])]
        .map(|(n, s)| (n.to_owned(), s));
    layer.into_iter().chain(outside).collect()
}

/// Writes `model.safetensors` with zeros: an 8-byte length, a JSON header, the values.
pub fn write_tensors(dir: &Path, shapes: &BTreeMap<String, Vec<usize>>) {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in shapes {
        let start = end;
        end += 4 * shape.iter().product::<usize>();
        header.insert(
            name.clone(),
            json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.resize(file.len() + end, 0);
    std::fs::write(dir.join("model.safetensors"), file).unwrap();
}
