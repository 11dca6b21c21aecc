//! Specs kept under a name: files in the home that the form and `ser run NAME` can start from.

use std::path::{Component, Path, PathBuf};

use super::{LaunchError, LaunchResult};

use crate::domain::text::clean::clean_line;
use crate::store::Home;

/// Presets that are read.
const N_PRESETS: usize = 50;
/// Longest file that is one.
const N_BYTES_MAX: u64 = 1 << 20;

/// A spec kept under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// The name of its file without the ending.
    pub name: String,
    /// Its file, which `ser run` takes too.
    pub path: PathBuf,
    /// The text of the spec.
    pub text: String,
}

/// The folder in which presets lie, one file each.
pub fn folder(home: &Home) -> PathBuf {
    home.root().join("presets")
}

/// The spec file that a person means: a file where there is one, else the preset of this name.
///
/// # Errors
/// A bare name that is neither.
pub fn spec_file(home: &Home, given: &Path) -> LaunchResult<PathBuf> {
    let is_bare = matches!(given.components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
    if given.exists() || !is_bare {
        return Ok(given.to_owned());
    }
    let name = given.to_string_lossy().into_owned();
    let name = name.strip_suffix(".toml").unwrap_or(&name).to_owned();
    let path = folder(home).join(format!("{name}.toml"));
    if path.is_file() {
        return Ok(path);
    }
    let presets = read(home).into_iter().map(|preset| preset.name).collect();
    Err(LaunchError::NoSpec { name: given.display().to_string(), presets })
}

/// Every preset, by name. What cannot be read is none.
pub fn read(home: &Home) -> Vec<Preset> {
    let Ok(entries) = std::fs::read_dir(folder(home)) else { return Vec::new() };
    let mut presets: Vec<Preset> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            let is_spec = path.extension().is_some_and(|extension| extension == "toml");
            let metadata = std::fs::metadata(&path).ok()?;
            if !is_spec || !metadata.is_file() || metadata.len() > N_BYTES_MAX {
                return None;
            }
            let name = clean_line(path.file_stem()?.to_str()?);
            Some(Preset { name, text: std::fs::read_to_string(&path).ok()?, path })
        })
        .collect();
    presets.sort_by(|a, b| a.name.cmp(&b.name));
    presets.truncate(N_PRESETS);
    presets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_a_file_and_then_a_preset() {
        let folder_of_home = tempfile::tempdir().unwrap();
        let home = Home::new(folder_of_home.path());
        std::fs::create_dir_all(folder(&home)).unwrap();
        std::fs::write(folder(&home).join("quick.toml"), "rng_seed = 2").unwrap();
        let preset = folder(&home).join("quick.toml");
        for name in ["quick", "quick.toml"] {
            assert_eq!(spec_file(&home, Path::new(name)).unwrap(), preset);
        }
        let error = spec_file(&home, Path::new("quik")).unwrap_err();
        assert_eq!(error.to_string(), "`quik`: no such file, and no preset of that name");
        assert_eq!(error.hint().as_deref(), Some("did you mean `quick`? presets are quick"));
        // A path is a path: the reader of specs says what is wrong with it.
        let path = Path::new("./quick");
        assert_eq!(spec_file(&home, path).unwrap(), path);
        assert_eq!(spec_file(&home, folder_of_home.path()).unwrap(), folder_of_home.path());
    }

    #[test]
    fn files_of_the_home_are_presets_by_name() {
        let home = tempfile::tempdir().unwrap();
        let home = Home::new(home.path());
        assert_eq!(read(&home), []);
        std::fs::create_dir_all(folder(&home)).unwrap();
        for (name, text) in [("b.toml", "rng_seed = 2"), ("a.toml", "rng_seed = 1"), ("c.txt", "")]
        {
            std::fs::write(folder(&home).join(name), text).unwrap();
        }
        let names: Vec<String> = read(&home).into_iter().map(|preset| preset.name).collect();
        assert_eq!(names, ["a", "b"]);
    }
}
