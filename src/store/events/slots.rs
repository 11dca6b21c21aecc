//! How many runs may be at work at a time: the table `[slots]` of `config.toml` in the home.
//!
//! ```toml
//! [slots]
//! cpu = 2      # runs on the processor at a time
//! cuda = 1     # runs on the NVIDIA GPU at a time
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use crate::store::error::StoreError;
use crate::store::paths::Home;

/// Names of slots: what a run computes on.
pub const SLOT_NAMES: [&str; 3] = ["cpu", "cuda", "metal"];
/// Most slots of a name: more would only be a slip of the finger.
const N_SLOTS_MAX: i64 = 1000;

/// How many runs may be at work at a time, by what they compute on: one where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slots(BTreeMap<String, usize>);

impl Slots {
    /// The same number everywhere.
    #[must_use]
    pub fn all(n: usize) -> Self {
        Self(SLOT_NAMES.iter().map(|name| ((*name).to_owned(), n)).collect())
    }

    /// How many runs may be at work on this part of the machine.
    #[must_use]
    pub fn of(&self, name: &str) -> usize {
        self.0.get(name).copied().unwrap_or(1)
    }

    /// Reads the table of a home; without one, one run is at work on each part of the machine.
    ///
    /// # Errors
    /// When the file cannot be read, or the table holds anything but a number for a known name.
    pub fn load(home: &Home) -> Result<Self, StoreError> {
        let path = home.config();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(StoreError::Config { path, problem: source.to_string() }),
        }
    }

    /// Reads the table of a config file; `path` is for messages.
    ///
    /// # Errors
    /// As [`Slots::load`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, StoreError> {
        let refuse = |problem: String| StoreError::Config { path: path.to_owned(), problem };
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| refuse(error.message().to_owned()))?;
        let Some(slots) = table.get("slots") else { return Ok(Self::default()) };
        let Some(slots) = slots.as_table() else {
            return Err(refuse(format!("`slots` is {slots}, not a table")));
        };
        let mut found = BTreeMap::new();
        for (name, value) in slots {
            if !SLOT_NAMES.contains(&name.as_str()) {
                let known = SLOT_NAMES.join(", ");
                return Err(refuse(format!("`slots.{name}` is none of {known}")));
            }
            let n = value.as_integer().filter(|n| (1..=N_SLOTS_MAX).contains(n));
            let n = n.and_then(|n| usize::try_from(n).ok());
            let Some(n) = n else {
                return Err(refuse(format!(
                    "`slots.{name}` is {value}, not a number from 1 to {N_SLOTS_MAX}"
                )));
            };
            found.insert(name.clone(), n);
        }
        Ok(Self(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_by_part_of_the_machine() {
        let slots = Slots::parse("theme = \"dark\"\n[slots]\ncpu = 3\n", Path::new("c")).unwrap();
        assert_eq!((slots.of("cpu"), slots.of("cuda")), (3, 1));
        assert_eq!(Slots::parse("", Path::new("c")).unwrap(), Slots::default());
        assert_eq!(Slots::all(2).of("metal"), 2);
    }

    #[test]
    fn what_is_no_number_of_slots_is_refused() {
        for (text, said) in [
            ("slots = 2", "`c`: `slots` is 2, not a table"),
            ("[slots]\ncpu = 0", "`c`: `slots.cpu` is 0, not a number from 1 to 1000"),
            ("[slots]\ncpu = \"2\"", "`c`: `slots.cpu` is \"2\", not a number from 1 to 1000"),
            ("[slots]\ntpu = 2", "`c`: `slots.tpu` is none of cpu, cuda, metal"),
        ] {
            let error = Slots::parse(text, Path::new("c")).unwrap_err();
            assert_eq!(error.to_string(), said);
            assert!(error.hint().is_some());
        }
    }
}
