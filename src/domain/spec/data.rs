//! Where pairs come from and which columns hold them, as a spec says it.

use serde::{Deserialize, Serialize};

use super::{SpecError, check};

/// One source, several, or a mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Sources {
    One(String),
    /// Several, read one after the other as one data set.
    Many(Vec<String>),
    /// Several with weights or caps.
    Parts(Vec<SourcePart>),
}

/// One source of a mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourcePart {
    /// `embedded`, or a path.
    pub path: String,
    /// The relative share of its pairs in a mixture, which ends when one part is used up; 0 for
    /// every part reads the parts one after the other.
    #[serde(default)]
    pub weight: f64,
    /// Read at most this many pairs of it; 0 reads all.
    #[serde(default)]
    pub cap: u64,
}

impl SourcePart {
    /// All of a source, without a weight.
    pub fn whole(path: impl Into<String>) -> Self {
        Self { path: path.into(), weight: 0.0, cap: 0 }
    }
}

impl Sources {
    /// All of them, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<SourcePart> {
        match self {
            Self::One(path) => vec![SourcePart::whole(path)],
            Self::Many(paths) => paths.iter().map(SourcePart::whole).collect(),
            Self::Parts(parts) => parts.clone(),
        }
    }

    /// The same sources with other paths.
    #[must_use]
    pub fn map(&self, path: impl Fn(&str) -> String) -> Self {
        match self {
            Self::One(source) => Self::One(path(source)),
            Self::Many(sources) => Self::Many(sources.iter().map(|s| path(s)).collect()),
            Self::Parts(parts) => {
                let part = |part: &SourcePart| SourcePart { path: path(&part.path), ..*part };
                Self::Parts(parts.iter().map(part).collect())
            }
        }
    }

    /// Whether this is the data set inside the program and nothing else.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.parts().iter().all(|part| part.path == "embedded")
    }

    pub(in crate::domain) fn validate(&self) -> Result<(), SpecError> {
        let parts = self.parts();
        let expected = "at least one source";
        check("data.source", "an empty list", !parts.is_empty(), expected)?;
        let weights: Vec<f64> = parts.iter().map(|part| part.weight).collect();
        let all_or_none =
            weights.iter().all(|w| *w == 0.0) || weights.iter().all(|w| w.is_finite() && *w > 0.0);
        let shown = format!("weights {weights:?}");
        check("data.source", shown, all_or_none, "a weight above 0 for each part, or for none")
    }
}

impl std::fmt::Display for Sources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths: Vec<String> = self.parts().into_iter().map(|part| part.path).collect();
        f.write_str(&paths.join(", "))
    }
}

/// One column or several; an empty text is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Names {
    One(String),
    Many(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::One(String::new())
    }
}

impl Names {
    /// All that are not empty.
    #[must_use]
    pub fn list(&self) -> Vec<&str> {
        let all = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        };
        all.iter().map(String::as_str).filter(|name| !name.is_empty()).collect()
    }

    /// Whether no column is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list().is_empty()
    }
}

/// `[data.columns]`: how a record of any layout becomes pairs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColumnsSpec {
    /// A column, or a text with columns in braces: `{instruction}\n{input}`.
    pub prompt: String,
    /// The first answer; or several answers, or a list of them, when `b` is empty.
    pub a: Names,
    pub b: Names,
    /// Which answer is better, by one annotator or by several who vote. Without it `a` is.
    pub label: Names,
    /// The values of `label` that mean a, b and a tie, where they are not among the usual ones.
    pub values: Names,
    /// Scores of the answers; the higher is better.
    pub score: Names,
    /// The slice of a pair, for tables.
    pub slice: String,
}

impl ColumnsSpec {
    /// Whether any column is named.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Checks that the columns go together.
    ///
    /// # Errors
    /// The first key that does not.
    pub fn validate(&self) -> Result<(), SpecError> {
        let has_answers = !self.is_set() || !self.a.is_empty();
        let expected = "a column, which the other keys of `data.columns` need";
        check("data.columns.a", "empty", has_answers, expected)?;
        let one_judge = self.label.is_empty() || self.score.is_empty();
        let expected = "empty, as `data.columns.label` decides already";
        check("data.columns.score", self.score.list().join(", "), one_judge, expected)?;
        let n_values = self.values.list().len();
        let expected = "empty, or the values for a, b and any that mean a tie";
        check("data.columns.values", n_values, n_values != 1, expected)
    }
}

/// The default of `data.pairs_per_record`: stack-llama made up to ten pairs of one question of
/// Stack Exchange.
pub(in crate::domain) fn default_pairs_per_record() -> u32 {
    10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Sources {
        let table: std::collections::BTreeMap<String, Sources> = toml::from_str(text).unwrap();
        table.into_values().next().unwrap()
    }

    #[test]
    fn sources_are_a_path_a_list_or_a_mixture() {
        assert_eq!(sources("s = 'a'").parts(), [SourcePart::whole("a")]);
        assert_eq!(sources("s = ['a', 'b']").to_string(), "a, b");
        let mixture = sources("s = [{path = 'a', weight = 2}, {path = 'b', weight = 1, cap = 9}]");
        assert_eq!(mixture.parts()[1], SourcePart { path: "b".into(), weight: 1.0, cap: 9 });
        assert_eq!(mixture.map(|path| format!("/{path}")).to_string(), "/a, /b");
        mixture.validate().unwrap();
        let half = sources("s = [{path = 'a', weight = 2}, {path = 'b'}]").validate().unwrap_err();
        assert_eq!(half.value, "weights [2.0, 0.0]");
        assert!(sources("s = []").validate().is_err());
    }

    #[test]
    fn columns_need_an_answer_and_one_judge() {
        let columns = |text: &str| toml::from_str::<ColumnsSpec>(text).unwrap();
        columns("").validate().unwrap();
        columns("a = 'x'\nb = 'y'\nlabel = ['l', 'm']").validate().unwrap();
        let key = |text: &str| columns(text).validate().unwrap_err().key;
        assert_eq!(key("prompt = 'p'"), "data.columns.a");
        assert_eq!(key("a = 'x'\nlabel = 'l'\nscore = 's'"), "data.columns.score");
        assert_eq!(key("a = 'x'\nvalues = '1'"), "data.columns.values");
    }
}
