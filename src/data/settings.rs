//! How a source is read: its format, its groups, its limit, and what becomes of unusable pairs.

use super::format::names::DatasetFormat;
use crate::domain::source::data_files;
use crate::domain::spec::{ColumnsSpec, Names};

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
    /// Stop with an error that names the line. HH-RLHF itself holds such rows, and rated sets hold
    /// ties, so only files that hold finished pairs are read like this.
    Refuse,
}

/// How to read a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadSettings {
    /// Which files of a folder are read.
    pub part: data_files::Part,
    /// `None` looks at the first record.
    pub format: Option<DatasetFormat>,
    /// Which columns hold a pair; where any is named and no format is, that is the format.
    pub columns: ColumnsSpec,
    /// What `PreferencePair::group` holds.
    pub group: GroupBy,
    /// How many pairs a [`MixtureReader`](super::MixtureReader) takes, as a random sample; 0 takes
    /// all. [`open`](super::open) gives every pair of its file.
    pub limit: u64,
    /// Keys the random samples of `limit` and of the caps of parts.
    pub rng_seed: u64,
    /// Most pairs made of one record; 0 makes all.
    pub pairs_per_record: u32,
    /// What happens to unusable pairs.
    pub policy: BadPairPolicy,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            part: data_files::Part::Train,
            format: None,
            columns: ColumnsSpec::default(),
            group: GroupBy::default(),
            limit: 0,
            rng_seed: 1,
            pairs_per_record: 10,
            policy: BadPairPolicy::default(),
        }
    }
}

impl ReadSettings {
    /// The columns that the settings name, however they use them.
    pub(super) fn named_columns(&self) -> Vec<&str> {
        let ColumnsSpec { prompt, a, b, score, slice, .. } = &self.columns;
        let lists = [a, b, score].into_iter().flat_map(Names::list).chain(self.columns.labels());
        let mut named: Vec<&str> = lists.chain([prompt.as_str(), slice.as_str()]).collect();
        if let GroupBy::Column(column) = &self.group {
            named.push(column);
        }
        named
    }
}
