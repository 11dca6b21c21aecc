//! Which files of a folder hold the training pairs and which the test pairs, by the rule of the
//! Hub: that of `datasets` 5.2 (`data_files.py`), with three exceptions. Names are compared in
//! lower case, so `TEST.jsonl` is a test file and not a further training file; a file that the rule
//! assigns to both sides is never a test file; and where a data set has a split in several kinds,
//! the one of preferences is taken.

use std::collections::BTreeMap;

/// Which part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What a run trains on.
    Train,
    /// What it is tested on.
    Test,
}

impl Part {
    /// The name of its split on the Hub.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => TRAIN,
            Self::Test => TEST,
        }
    }
}

/// The words that name a split in a file or folder, in the order of the splits.
const KEYWORDS: [(&str, &[&str]); 3] = [
    (TRAIN, &["train", "training"]),
    (VALIDATION, &["validation", "valid", "dev", "val"]),
    (TEST, &["test", "testing", "eval", "evaluation"]),
];
const TRAIN: &str = "train";
const VALIDATION: &str = "validation";
const TEST: &str = "test";

/// The files that a folder has for a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<'p> {
    /// In order of their names; never empty.
    pub files: Vec<&'p str>,
    /// Data files of the folder that are not read.
    pub others: Vec<&'p str>,
    /// Whether any name contains the word of a split. If none does, all files of the folder are the
    /// data set.
    pub is_named: bool,
}

/// Why a folder has no files for a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoFiles {
    /// The names contain words of other splits only.
    OtherSplits(Vec<String>),
    /// Several of its splits could be meant.
    SeveralSplits(Vec<String>),
}

type Splits<'p> = BTreeMap<String, Vec<&'p str>>;

/// The files of a part among the data files of a folder. `paths` are inside the folder and divided by
/// slashes.
///
/// # Errors
/// When the names contain words of splits, but none of this one.
pub fn choose<'p>(paths: &[&'p str], part: Part) -> Result<Chosen<'p>, NoFiles> {
    let mut shown: Vec<&str> = paths.iter().copied().filter(|path| !is_hidden(path)).collect();
    shown.sort_unstable();
    let splits = splits(&shown);
    if splits.is_empty() {
        return Ok(chosen(one_kind(&shown), &shown, false));
    }
    let training = named(&splits, TRAIN)?;
    let files = match part {
        Part::Train if !training.is_empty() => training,
        // The Hub has no split for such files; here they are training files.
        Part::Train => {
            let is_free = |path: &&str| !splits.values().flatten().any(|taken| taken == path);
            shown.iter().copied().filter(is_free).collect()
        }
        Part::Test => {
            let is_free = |path: &&str| !training.contains(path);
            let free = |files: Vec<&'p str>| files.into_iter().filter(is_free).collect::<Vec<_>>();
            let mut found = free(named(&splits, TEST)?);
            if found.is_empty() {
                found = free(named(&splits, VALIDATION)?);
            }
            // A single split with a name of its own (`filtered`) is the test split.
            let is_own = splits.len() == 1 && training.is_empty();
            if found.is_empty() && is_own {
                splits.into_values().flatten().collect()
            } else {
                found
            }
        }
    };
    if files.is_empty() {
        return Err(NoFiles::OtherSplits(splits_of(&shown)));
    }
    Ok(chosen(one_kind(&preferences(files)), &shown, true))
}

fn splits_of(paths: &[&str]) -> Vec<String> {
    splits(paths).into_keys().collect()
}

fn chosen<'p>(files: Vec<&'p str>, all: &[&'p str], is_named: bool) -> Chosen<'p> {
    let others = all.iter().copied().filter(|path| !files.contains(path)).collect();
    Chosen { files, others, is_named }
}

/// Whether the Hub passes a file over: a dot before the name of it or of one of its folders, or two
/// underscores before that of a folder.
fn is_hidden(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    path.split('/').any(|name| name.starts_with('.'))
        || folders.split('/').any(|name| name.starts_with("__"))
}

/// The splits by the first of the Hub's rules that finds any: shards in `data/`, folders named after
/// splits, files named after them. A file may be in several.
fn splits<'p>(paths: &[&'p str]) -> Splits<'p> {
    let mut splits = Splits::new();
    for path in paths {
        if let Some(split) = split_of_shard(path) {
            splits.entry(split).or_default().push(path);
        }
    }
    for is_folder in [true, false] {
        if !splits.is_empty() {
            break;
        }
        for (split, words) in KEYWORDS {
            let is = |path: &&&str| words.iter().any(|word| speaks_of(path, word, is_folder));
            let found: Vec<&str> = paths.iter().filter(is).copied().collect();
            if !found.is_empty() {
                splits.insert(split.to_owned(), found);
            }
        }
    }
    splits
}

/// The split of `data/{split}-00000-of-00001….…`, in small letters.
fn split_of_shard(path: &str) -> Option<String> {
    /// Digits of a shard's number, by the rule of the Hub.
    const DIGITS: usize = 5;
    let name = path.strip_prefix("data/").filter(|name| !name.contains('/'))?.to_lowercase();
    let at = name.rfind("-of-")?;
    let (head, tail) = (&name[..at], &name[at + "-of-".len()..]);
    let has_digits =
        |text: &[u8]| text.len() >= DIGITS && text[..DIGITS].iter().all(u8::is_ascii_digit);
    let split = head.len().checked_sub(DIGITS).filter(|cut| head.is_char_boundary(*cut))?;
    let is_shard = has_digits(&head.as_bytes()[split..])
        && has_digits(tail.as_bytes())
        && tail[DIGITS..].contains('.');
    head[..split].strip_suffix('-').filter(|split| is_shard && !split.is_empty()).map(str::to_owned)
}

/// Whether a path has a word in the name of its file or of one of its folders, between separators:
/// a name that merely contains the letters of the word (`constraint`) does not count.
fn speaks_of(path: &str, word: &str, in_folders: bool) -> bool {
    let path = path.to_lowercase();
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", &path));
    if in_folders {
        folders.split('/').any(|name| has_word(name, word, true))
    } else {
        has_word(file, word, false)
    }
}

fn has_word(name: &str, word: &str, may_end: bool) -> bool {
    let is_border = |c: char| matches!(c, '-' | '.' | '_' | ' ') || c.is_ascii_digit();
    name.match_indices(word).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + word.len()..]);
        before.chars().next_back().is_none_or(is_border)
            && after.chars().next().map_or(may_end, is_border)
    })
}

/// The files of a split: of that name, else of the names with one of its words. Empty without one.
fn named<'p>(splits: &Splits<'p>, split: &str) -> Result<Vec<&'p str>, NoFiles> {
    if let Some(files) = splits.get(split) {
        return Ok(files.clone());
    }
    let words =
        KEYWORDS.iter().find(|(name, _)| *name == split).map_or(&[][..], |(_, words)| words);
    let is_meant = |name: &&String| words.iter().any(|word| has_word(name, word, true));
    let mut names: Vec<&String> = splits.keys().filter(is_meant).collect();
    if names.iter().any(|name| is_preference(name)) {
        names.retain(|name| is_preference(name));
    }
    match names.as_slice() {
        [] => Ok(Vec::new()),
        [name] => Ok(splits[*name].clone()),
        several => Err(NoFiles::SeveralSplits(several.iter().map(ToString::to_string).collect())),
    }
}

fn preferences(files: Vec<&str>) -> Vec<&str> {
    let found: Vec<&str> = files.iter().copied().filter(|path| is_preference(path)).collect();
    if found.is_empty() { files } else { found }
}

fn is_preference(path: &str) -> bool {
    let mut words = path.split(['/', '-', '_', '.']);
    words.any(|word| matches!(word, "prefs" | "preference" | "preferences"))
}

/// The files of the most common format, since the same pairs are often stored in two. Of equally
/// common formats the last in the order below is taken.
fn one_kind<'p>(files: &[&'p str]) -> Vec<&'p str> {
    const ORDER: [&str; 4] = ["csv", "json", "jsonl", "parquet"];
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for path in files {
        *counts.entry(ending(path)).or_default() += 1;
    }
    let rank = |ending: &str| ORDER.iter().position(|known| *known == ending);
    let most = counts.iter().max_by_key(|(ending, n)| (**n, rank(ending), **ending));
    let kind = most.map(|(ending, _)| kind(ending));
    files.iter().copied().filter(|path| Some(self::kind(ending(path))) == kind).collect()
}

/// The ending that names the format: `jsonl` of `x.jsonl.gz`.
fn ending(path: &str) -> &str {
    let path = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path);
    path.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// The format that the Hub reads files of this ending as; files of one format are read together.
fn kind(ending: &str) -> &str {
    match ending {
        "json" | "jsonl" | "ndjson" => "json",
        "csv" | "tsv" => "csv",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `datasets` takes of some folders; `make_folders.py` beside the file wrote it.
    const PEER: &str = include_str!("../../../tests/fixtures/data/folders.json");

    /// Folders of which something else is taken on purpose, and why.
    const EXCEPTIONS: [(&str, &str); 9] = [
        ("capitals", "TEST.jsonl is not trained on"),
        ("two words", "a file of both sides is no test file"),
        ("two words in folders", "a file of both sides is no test file"),
        ("test train split", "a file of both sides is no test file"),
        ("own split names", "the preferences are meant"),
        ("prefs", "the preferences are meant"),
        ("own split with dots", "`v1.train` speaks of train"),
        ("text majority", "text is not read as pairs"),
        ("train text", "text is not read as pairs"),
    ];

    fn paths(value: &serde_json::Value) -> Vec<&str> {
        let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|path| path.as_str().unwrap()).collect()
    }

    fn sorted(mut paths: Vec<&str>) -> Vec<&str> {
        paths.sort_unstable();
        paths
    }

    #[test]
    fn folders_are_divided_as_datasets_divides_them() {
        let peer: serde_json::Value = serde_json::from_str(PEER).unwrap();
        let folders = peer["folders"].as_object().unwrap();
        assert!(folders.len() > 50);
        let data = ["jsonl", "json", "csv", "tsv", "parquet"];
        for (title, folder) in folders {
            if EXCEPTIONS.iter().any(|(exception, _)| exception == title) {
                continue;
            }
            let Some(splits) = folder.get("splits") else { continue };
            let described = ["config.json", "dataset_info.json", "dataset_infos.json"];
            let files: Vec<&str> = paths(&folder["files"])
                .into_iter()
                .filter(|path| data.contains(&ending(path)) && !path.ends_with("dataset_dict.json"))
                .filter(|path| !described.iter().any(|name| path.ends_with(name)))
                .collect();
            let train = choose(&files, Part::Train);
            if let Some(peer) = splits.get(TRAIN) {
                assert_eq!(train.unwrap().files, sorted(paths(peer)), "{title}: train");
            }
            let test = choose(&files, Part::Test);
            let peer = splits.get(TEST).or_else(|| splits.get(VALIDATION));
            match peer {
                Some(peer) => assert_eq!(test.unwrap().files, sorted(paths(peer)), "{title}: test"),
                None if splits.get(TRAIN).is_some() => {
                    // Without a named split the whole folder is the set that somebody names.
                    assert!(!test.is_ok_and(|chosen| chosen.is_named), "{title}: test");
                }
                None => {}
            }
        }
    }

    #[test]
    fn exceptions_take_what_is_meant() {
        let of = |paths: &[&'static str], part| choose(paths, part).map(|chosen| chosen.files);
        assert_eq!(of(&["TEST.jsonl", "Train.jsonl"], Part::Train).unwrap(), ["Train.jsonl"]);
        assert_eq!(of(&["TEST.jsonl", "Train.jsonl"], Part::Test).unwrap(), ["TEST.jsonl"]);
        let both = ["train-eval.jsonl", "train.jsonl"];
        assert_eq!(of(&both, Part::Train).unwrap(), both);
        assert!(matches!(of(&both, Part::Test), Err(NoFiles::OtherSplits(_))));
        let ultra = [
            "data/test_prefs-00000-of-00001.parquet",
            "data/train_gen-00000-of-00001.parquet",
            "data/train_prefs-00000-of-00001.parquet",
        ];
        assert_eq!(of(&ultra, Part::Train).unwrap(), [ultra[2]]);
        assert_eq!(of(&ultra, Part::Test).unwrap(), [ultra[0]]);
        let flat = ["test_prefs.jsonl", "train_prefs.jsonl", "train_sft.jsonl"];
        assert_eq!(of(&flat, Part::Train).unwrap(), [flat[1]]);
    }

    #[test]
    fn what_no_name_decides_is_refused_by_name() {
        let of = |paths: &[&'static str], part| choose(paths, part).map(|chosen| chosen.files);
        let several =
            ["data/train_a-00000-of-00001.parquet", "data/train_b-00000-of-00001.parquet"];
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            of(&several, Part::Train),
            Err(NoFiles::SeveralSplits(names(&["train_a", "train_b"])))
        );
        let only = |split: &str| Err(NoFiles::OtherSplits(names(&[split])));
        assert_eq!(of(&["test.jsonl"], Part::Train), only("test"));
        assert_eq!(of(&["holdout.jsonl", "train.jsonl"], Part::Test), only("train"));
        // What is in no split is left to train on.
        assert_eq!(of(&["eval.csv", "pairs.csv"], Part::Train).unwrap(), ["pairs.csv"]);
        assert_eq!(
            of(&["constraint.jsonl", "test.jsonl"], Part::Train).unwrap(),
            ["constraint.jsonl"]
        );
        let own = ["data/filtered-00000-of-00001.parquet"];
        assert_eq!(of(&own, Part::Test).unwrap(), own);
        assert_eq!(
            choose(&["constraint.jsonl", "train.jsonl"], Part::Train).unwrap().others,
            ["constraint.jsonl"]
        );
    }
}
