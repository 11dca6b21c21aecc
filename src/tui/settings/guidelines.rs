//! The guidelines for reviewers: a text file of the home.

use std::io::{Error, ErrorKind};
use std::path::Path;

use crate::domain::text::clean::clean_text;
use crate::store::Home;
use crate::tui::error::TuiError;

/// Where guidelines lie in a home unless the config file says so.
const FILE: &str = "guidelines.md";
/// Longest text that is read: more would stand beside no pair.
const BYTES_MAX: u64 = 64 << 10;

/// Reads the file that a line of the config file names, or the one of the home if it is there; empty
/// where there is none.
pub fn read(home: &Home, named: Option<(&str, usize)>, config: &Path) -> Result<String, TuiError> {
    let path = home.root().join(named.map_or(FILE, |(name, _)| name));
    let text = std::fs::metadata(&path).and_then(|it| {
        if !it.is_file() || it.len() > BYTES_MAX {
            return Err(Error::other("it is no file of at most 64 KiB"));
        }
        std::fs::read_to_string(&path)
    });
    match (text, named) {
        (Ok(text), _) => Ok(clean_text(text.trim())),
        (Err(error), None) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        (Err(source), None) => Err(TuiError::SettingsFile { path, source }),
        (Err(error), Some((_, line))) => Err(TuiError::Settings {
            path: config.to_owned(),
            line,
            message: format!("`guidelines` is `{}`: {error}", path.display()),
            hint: "name a text file, in the home or by its whole path".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn guidelines_are_a_file_of_the_home() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path());
        assert_eq!(Settings::load(&home).unwrap().guidelines, "");
        std::fs::write(folder.path().join("guidelines.md"), "be kind\n").unwrap();
        assert_eq!(Settings::load(&home).unwrap().guidelines, "be kind");
        std::fs::write(Settings::path(&home), "\nguidelines = \"rules.md\"\n").unwrap();
        let error = Settings::load(&home).unwrap_err();
        assert!(matches!(error, TuiError::Settings { line: 2, .. }), "{error}");
        std::fs::write(folder.path().join("rules.md"), "\u{1b}[2Jshort").unwrap();
        let settings = Settings::load(&home).unwrap();
        assert!(settings.guidelines.ends_with("short") && !settings.guidelines.contains('\u{1b}'));
    }
}
