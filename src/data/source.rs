//! Where pairs come from: files, folders, patterns, or the embedded set.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::error::DataError;
use super::stream::Stream;
use crate::domain::source::data_files;
use crate::domain::source::data_files::NoFiles;

/// A part of the data set inside the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddedSplit {
    /// The training pairs, of which about 10 % carry recorded label noise.
    Train,
    /// The test pairs, without noise.
    Test,
}

/// A data set: a file, or a part of the embedded set. Written `PATH`, `embedded` (its training
/// part), `embedded:train` or `embedded:test`. A path may also be a folder or a pattern, which
/// [`Source::files`] turns into files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// JSON lines, a JSON array, a table or Parquet, plain or compressed.
    File(PathBuf),
    /// The same out of a pipe, which gives its bytes once.
    Stream(Stream),
    Embedded(EmbeddedSplit),
}

impl FromStr for Source {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        match text {
            "embedded" | "embedded:train" => Ok(Self::Embedded(EmbeddedSplit::Train)),
            "embedded:test" => Ok(Self::Embedded(EmbeddedSplit::Test)),
            other if other.starts_with("embedded:") => {
                Err(DataError::UnknownEmbedded { value: other.into() })
            }
            path => Ok(Self::File(path.into())),
        }
    }
}

impl From<&Path> for Source {
    fn from(path: &Path) -> Self {
        Self::File(path.into())
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stream(stream) => write!(f, "{}", stream.shown().display()),
            Self::Embedded(EmbeddedSplit::Train) => f.write_str("embedded:train"),
            Self::Embedded(EmbeddedSplit::Test) => f.write_str("embedded:test"),
        }
    }
}

/// The files a source stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// In order of their names; never empty.
    pub files: Vec<Source>,
    /// Data files of the folder that are not read, because their names name another split.
    pub others: Vec<Source>,
}

/// Names that end like this hold data; `.gz` and `.zst` may follow.
const DATA_EXTENSIONS: [&str; 6] = ["jsonl", "ndjson", "json", "csv", "tsv", "parquet"];

/// Files beside data sets that describe them.
const DESCRIPTIONS: [&str; 5] =
    ["dataset_info.json", "dataset_dict.json", "dataset_infos.json", "state.json", "config.json"];

/// How deep folders in folders are searched; it ends a cycle of links.
const MAX_DEPTH: usize = 16;

impl Source {
    /// The file that holds its bytes, where it is not compiled in.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stream(stream) => Some(stream.copy()),
            Self::Embedded(_) => None,
        }
    }

    /// The files this source stands for. A folder stands for those that the Hub's rule gives to the
    /// part ([`data_files::choose`]), a pattern for all that it matches.
    ///
    /// # Errors
    /// When nothing is found, or a folder cannot be read.
    pub fn files(&self, part: data_files::Part) -> Result<Files, DataError> {
        let Self::File(path) = self else {
            return Ok(Files { files: vec![self.clone()], others: Vec::new() });
        };
        if path.is_dir() {
            return in_folder(path, part);
        }
        if Stream::is_one(path) {
            let stream = Self::Stream(Stream::take(path)?);
            return Ok(Files { files: vec![stream], others: Vec::new() });
        }
        let text = path.to_string_lossy();
        if path.exists() || !text.contains(['*', '?', '[']) {
            return Ok(Files { files: vec![self.clone()], others: Vec::new() });
        }
        matching(&text)
    }
}

fn matching(pattern: &str) -> Result<Files, DataError> {
    let refused = |detail: String| DataError::Pattern { path: pattern.to_owned(), detail };
    let paths = glob::glob(pattern).map_err(|e| refused(format!("is no pattern: {}", e.msg)))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|e| refused(format!("cannot be searched: {}", e.error())))?;
        if path.is_file() {
            files.push(Source::File(path));
        }
    }
    if files.is_empty() {
        return Err(refused("no file matches this pattern".into()));
    }
    Ok(Files { files, others: Vec::new() })
}

fn in_folder(folder: &Path, part: data_files::Part) -> Result<Files, DataError> {
    let (mut paths, mut found) = (Vec::new(), Vec::new());
    search(folder, MAX_DEPTH, &mut paths, &mut found)?;
    let path = folder.display().to_string();
    // `save_to_disk` writes its tables beside a description of their state.
    if paths.is_empty() && found.iter().any(|name| name == "state.json") {
        return Err(DataError::SavedToDisk { path });
    }
    if paths.is_empty() {
        found.sort();
        return Err(DataError::NoDataFile { path, found });
    }
    let inside: Vec<String> = paths.iter().map(|path| relative(folder, path)).collect();
    let names: Vec<&str> = inside.iter().map(String::as_str).collect();
    let chosen = match data_files::choose(&names, part) {
        Ok(chosen) => chosen,
        Err(NoFiles::OtherSplits(splits)) => return Err(DataError::NoSplit { path, part, splits }),
        Err(NoFiles::SeveralSplits(splits)) => {
            return Err(DataError::SeveralSplits { path, splits });
        }
    };
    let sources = |names: &[&str]| names.iter().map(|n| Source::File(folder.join(n))).collect();
    Ok(Files { files: sources(&chosen.files), others: sources(&chosen.others) })
}

/// The path of a file inside a folder, divided by slashes.
fn relative(folder: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(folder).unwrap_or(path);
    let names: Vec<_> = inside.components().map(|c| c.as_os_str().to_string_lossy()).collect();
    names.join("/")
}

fn search(
    folder: &Path,
    depth: usize,
    paths: &mut Vec<PathBuf>,
    found: &mut Vec<String>,
) -> Result<(), DataError> {
    let failed = |source| DataError::Io { path: folder.display().to_string(), line: 1, source };
    for entry in folder.read_dir().map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            if depth > 1 {
                search(&path, depth - 1, paths, found)?;
            }
        } else if is_data_file(&name) {
            paths.push(path);
        } else {
            found.push(name);
        }
    }
    Ok(())
}

fn is_data_file(name: &str) -> bool {
    let extension = extension(name);
    DATA_EXTENSIONS.contains(&extension.as_str()) && !DESCRIPTIONS.contains(&name)
}

/// The extension that says what is inside, in lower case: `jsonl` of `x.JSONL.gz`.
pub(super) fn extension(name: &str) -> String {
    let name = name.to_lowercase();
    let inner = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
    inner.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::source::data_files::Part;

    fn names(sources: &[Source], folder: &Path) -> Vec<String> {
        let root = format!("{}/", folder.display());
        sources.iter().map(|source| source.to_string().replace(&root, "")).collect()
    }

    #[test]
    fn folders_and_patterns_become_files() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("data")).unwrap();
        for name in
            ["data/train-1.parquet", "data/train-0.parquet", "data/test-0.parquet", "README.md"]
        {
            std::fs::write(root.join(name), "x").unwrap();
        }
        std::fs::write(root.join("dataset_info.json"), "{}").unwrap();
        let found = Source::File(root.into()).files(Part::Train).unwrap();
        assert_eq!(names(&found.files, root), ["data/train-0.parquet", "data/train-1.parquet"]);
        assert_eq!(names(&found.others, root), ["data/test-0.parquet"]);
        let found = Source::File(root.join("data/t*-0.parquet")).files(Part::Train).unwrap();
        assert_eq!(names(&found.files, root), ["data/test-0.parquet", "data/train-0.parquet"]);
        let found = Source::File(root.into()).files(Part::Test).unwrap();
        assert_eq!(names(&found.files, root), ["data/test-0.parquet"]);
        std::fs::remove_file(root.join("data/test-0.parquet")).unwrap();
        let none = Source::File(root.into()).files(Part::Test).unwrap_err().to_string();
        assert!(
            none.ends_with("no file of a `test` split in this folder, only of `train`"),
            "{none}"
        );
        let none =
            Source::File(root.join("data/*.csv")).files(Part::Train).unwrap_err().to_string();
        assert!(none.ends_with("no file matches this pattern"), "{none}");
        let bad = Source::File(root.join("data/[a")).files(Part::Train).unwrap_err().to_string();
        assert!(bad.contains("is no pattern: "), "{bad}");
        std::fs::remove_dir_all(root.join("data")).unwrap();
        std::fs::write(root.join("state.json"), "").unwrap();
        let saved = Source::File(root.into()).files(Part::Train).unwrap_err();
        assert!(saved.to_string().ends_with("was written by `save_to_disk`"), "{saved}");
        std::fs::remove_file(root.join("state.json")).unwrap();
        let empty = Source::File(root.into()).files(Part::Train).unwrap_err().to_string();
        assert!(empty.contains("only `README.md`, `dataset_info.json`"), "{empty}");
    }
}
