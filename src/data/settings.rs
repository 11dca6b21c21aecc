//! How a source is read: its format, its groups, its limit, and what becomes of unusable pairs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::DataError;

/// How records are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetFormat {
    /// `chosen` and `rejected` are whole dialogues, `\n\nHuman: …\n\nAssistant: …`.
    HhRlhf,
    /// `prompt, chosen, rejected` as TRL reads them; the prompt may be implicit.
    Jsonl,
    /// The layout of the embedded set: explicit prompts, `skill`, `fault`, `label_noise`.
    Pocket,
}

impl DatasetFormat {
    /// Reads the value of `data.format`; `auto` is `None`.
    pub fn parse(value: &str) -> Result<Option<Self>, DataError> {
        if value == "auto" { Ok(None) } else { value.parse().map(Some) }
    }
}

impl FromStr for DatasetFormat {
    type Err = DataError;

    fn from_str(value: &str) -> Result<Self, DataError> {
        match value {
            "hh-rlhf" => Ok(Self::HhRlhf),
            "jsonl" => Ok(Self::Jsonl),
            "pocket" => Ok(Self::Pocket),
            other => Err(DataError::UnknownFormat { value: other.into() }),
        }
    }
}

impl fmt::Display for DatasetFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HhRlhf => "hh-rlhf",
            Self::Jsonl => "jsonl",
            Self::Pocket => "pocket",
        })
    }
}

/// Which pairs must stay on the same side of a split.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum GroupBy {
    /// Those with the same prompt.
    #[default]
    Prompt,
    /// Those with the same value of this field.
    Column(String),
}

/// What to do with a pair that says nothing about preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadPairPolicy {
    /// Leave it out and report it by name.
    #[default]
    Drop,
    /// Stop with an error that names the line. HH-RLHF itself holds such rows, so files in its
    /// format are always read with [`BadPairPolicy::Drop`].
    Refuse,
}

/// How to read a source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadSettings {
    /// `None` looks at the first record.
    pub format: Option<DatasetFormat>,
    /// What `PreferencePair::group` holds.
    pub group: GroupBy,
    /// Stop after this many accepted pairs; 0 reads all.
    pub limit: u64,
    /// What happens to unusable pairs.
    pub policy: BadPairPolicy,
}
