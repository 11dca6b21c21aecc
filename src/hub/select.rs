//! Which files of a repository are wanted.

use super::HubError;
use super::listing::{Listing, RemoteFile};
use crate::domain::source::data_files::{NoFiles, choose};

pub use crate::domain::source::data_files::Part;

/// Files of a model besides its weights, those that are there.
const MODEL_FILES: [&str; 7] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "adapter_config.json",
    "adapter_model.safetensors",
];
const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// How files of pairs end, before `.gz` or `.zst`.
const DATA_ENDINGS: [&str; 6] = ["jsonl", "json", "ndjson", "csv", "tsv", "parquet"];

/// The files a model is opened from, the smallest first: a model that cannot be used is noticed before
/// its weights are fetched.
///
/// # Errors
/// When there are no weights that can be loaded.
pub fn model_files(listing: &Listing) -> Result<Vec<RemoteFile>, HubError> {
    let is_shard = |path: &str| {
        !path.contains('/') && path.starts_with("model-") && path.ends_with(".safetensors")
    };
    let in_shards = listing.has(INDEX) && !listing.has(WEIGHTS);
    let is_wanted = |path: &str| {
        MODEL_FILES.contains(&path)
            || path == WEIGHTS
            || in_shards && (path == INDEX || is_shard(path))
    };
    let mut files: Vec<RemoteFile> =
        listing.files.iter().filter(|file| is_wanted(&file.path)).cloned().collect();
    let has = |path: &str| files.iter().any(|file| file.path == path);
    let has_weights = has(WEIGHTS) || has(INDEX) || has("adapter_model.safetensors");
    let missing = |what: &str, hint: &str| HubError::NothingUsable {
        name: listing.name.to_string(),
        what: what.to_owned(),
        hint: hint.to_owned(),
    };
    if !has_weights {
        let is_pickled = listing
            .files
            .iter()
            .any(|file| file.path.rsplit_once('.').is_some_and(|(_, end)| end == "bin"));
        let hint = if is_pickled {
            "its pickled weights are not loaded: look for a revision in safetensors \
             (`@refs/pr/…`), or convert them with transformers' `save_pretrained`"
        } else {
            "look for a repository with `model.safetensors`"
        };
        return Err(missing("weights in safetensors", hint));
    }
    if !has("config.json") && !has("adapter_config.json") {
        return Err(missing("`config.json`", "look for a model in the layout of transformers"));
    }
    if !has("tokenizer.json") && !has("adapter_config.json") {
        let hint = "export its tokenizer as a fast one (`tokenizer.json`), and name the folder";
        return Err(missing("`tokenizer.json`", hint));
    }
    files.sort_by_key(|file| (file.path.ends_with(".safetensors"), file.path.clone()));
    Ok(files)
}

/// The files of pairs that a name means: what its path names, else those of a split.
///
/// # Errors
/// When there are none, or the names contain words of other splits only.
pub fn data_files(listing: &Listing, part: Part) -> Result<Vec<RemoteFile>, HubError> {
    let path = listing.name.path.as_str();
    let all: Vec<&str> =
        listing.files.iter().map(|file| file.path.as_str()).filter(|path| is_data(path)).collect();
    let below = format!("{path}/");
    let is_one = path.contains('*') || all.contains(&path);
    let nothing = |what: String, hint: String| HubError::NothingUsable {
        name: listing.name.repository(),
        what,
        hint,
    };
    let chosen: Vec<String> = if is_one {
        let is_meant = |file: &&&str| **file == path || path.contains('*') && matches(path, file);
        all.iter().filter(is_meant).map(ToString::to_string).collect()
    } else {
        // The rule for folders is applied to the paths below the folder that is named.
        let start = if path.is_empty() { "" } else { below.as_str() };
        let inside: Vec<&str> = all.iter().filter_map(|file| file.strip_prefix(start)).collect();
        let splits = |splits: Vec<String>| splits.join(", ");
        let found = match choose(&inside, part) {
            Ok(found) if part == Part::Test && !found.is_named => Vec::new(),
            Ok(found) => found.files,
            Err(NoFiles::OtherSplits(found)) => {
                let what = format!("files of a `{}` split", part.word());
                let hint = format!("it has {}: name files after a `/`", splits(found));
                return Err(nothing(what, hint));
            }
            Err(NoFiles::SeveralSplits(found)) => {
                let what = format!("one `{}` split", part.word());
                let hint = format!("name the files of one of {} after a `/`", splits(found));
                return Err(nothing(what, hint));
            }
        };
        found.into_iter().map(|file| format!("{start}{file}")).collect()
    };
    if chosen.is_empty() {
        let some: Vec<&str> = all.iter().take(5).copied().collect();
        let what = if path.is_empty() { "files of pairs".to_owned() } else { format!("`{path}`") };
        let hint = match some.as_slice() {
            [] => {
                let endings = DATA_ENDINGS.map(|end| format!("`.{end}`")).join(", ");
                format!("files of pairs end in {endings}")
            }
            some => format!("it has {}: name one after a `/`", some.join(", ")),
        };
        return Err(nothing(what, hint));
    }
    let mut files: Vec<RemoteFile> =
        listing.files.iter().filter(|file| chosen.contains(&file.path)).cloned().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn is_data(path: &str) -> bool {
    let path = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path);
    let is_about = ["dataset_infos.json", "dataset_info.json", "dataset_dict.json", "config.json"]
        .iter()
        .any(|name| path.rsplit('/').next() == Some(name));
    !is_about
        && DATA_ENDINGS.iter().any(|end| path.rsplit_once('.').is_some_and(|(_, e)| e == *end))
}

/// Whether a path fits a pattern in which `*` stands for any characters but a slash.
fn matches(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((head, rest)) => path.strip_prefix(head).is_some_and(|tail| {
            let end = tail.find('/').unwrap_or(tail.len());
            (0..=end).filter(|at| tail.is_char_boundary(*at)).any(|at| matches(rest, &tail[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::hub_name::{HubName, RepositoryKind};

    fn listing(name: &str, paths: &[&str]) -> Listing {
        let name = HubName::parse(name).unwrap();
        let file = |path: &&str| RemoteFile {
            path: (*path).to_owned(),
            size: None,
            etag: None,
            sha256: None,
        };
        Listing {
            revision: name.revision.clone(),
            name,
            kind: RepositoryKind::Dataset,
            commit: "0".repeat(40),
            files: paths.iter().map(file).collect(),
        }
    }

    fn data(name: &str, part: Part, paths: &[&str]) -> Vec<String> {
        let files = data_files(&listing(name, paths), part).unwrap();
        files.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn splits_are_found_by_their_names() {
        let hh = [
            "README.md",
            "harmless-base/test.jsonl.gz",
            "harmless-base/train.jsonl.gz",
            "helpful-base/test.jsonl.gz",
            "helpful-base/train.jsonl.gz",
            "red-team-attempts/red_team_attempts.jsonl.gz",
        ];
        assert_eq!(data("hf:a/hh", Part::Train, &hh), [hh[2], hh[4]]);
        assert_eq!(data("hf:a/hh", Part::Test, &hh), [hh[1], hh[3]]);
        assert_eq!(data("hf:a/hh/helpful-base", Part::Train, &hh), [hh[4]]);
        assert_eq!(data("hf:a/hh/helpful-base/test.jsonl.gz", Part::Train, &hh), [hh[3]]);
        assert_eq!(data("hf:a/hh/*/test.jsonl.gz", Part::Train, &hh), [hh[1], hh[3]]);
        let ultra = [
            "data/test_prefs-00000-of-00001.parquet",
            "data/train_gen-00000-of-00001.parquet",
            "data/train_prefs-00000-of-00001.parquet",
            "data/train_sft-00000-of-00001.parquet",
        ];
        assert_eq!(data("hf:a/u", Part::Train, &ultra), [ultra[2]]);
        assert_eq!(data("hf:a/u", Part::Test, &ultra), [ultra[0]]);
        assert_eq!(data("hf:a/x", Part::Train, &["pairs.csv", "eval.csv"]), ["pairs.csv"]);
        let error = data_files(&listing("hf:a/x/none", &["pairs.csv"]), Part::Train).unwrap_err();
        assert_eq!(error.hint().unwrap(), "it has pairs.csv: name one after a `/`");
        assert!(data_files(&listing("hf:a/x", &["pairs.csv"]), Part::Test).is_err());
    }

    #[test]
    fn a_model_is_its_small_files_and_then_its_weights() {
        let files = |paths: &[&str]| {
            model_files(&listing("hf:a/m", paths))
                .map(|files| files.into_iter().map(|file| file.path).collect::<Vec<_>>())
        };
        let whole = [
            "README.md",
            "config.json",
            "model.safetensors",
            "onnx/model.onnx",
            "pytorch_model.bin",
            "tokenizer.json",
            "tokenizer_config.json",
        ];
        let expected =
            ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"];
        assert_eq!(files(&whole).unwrap(), expected);
        let shards = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            INDEX,
            "tokenizer.json",
        ];
        assert_eq!(files(&shards).unwrap().len(), 5);
        let error = files(&["config.json", "pytorch_model.bin", "tokenizer.json"]).unwrap_err();
        assert!(error.hint().unwrap().contains("pickled"), "{error}");
        assert!(files(&["config.json", "model.safetensors"]).is_err());
    }
}
