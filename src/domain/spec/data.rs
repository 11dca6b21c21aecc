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
    /// Which answer is better, by one annotator or by several who vote; or [`FIRST_IS_BETTER`].
    pub label: Names,
    /// The values of `label` that mean a, b and a tie, where they are not among the usual ones.
    pub values: Names,
    /// Scores of the answers; the higher is better.
    pub score: Names,
    /// The slice of a pair, for tables.
    pub slice: String,
}

/// The value of `data.columns.label` that says, without a column, that the first answer is the
/// better one (of a list, that the earlier is better than the later).
pub const FIRST_IS_BETTER: &str = "a";

impl ColumnsSpec {
    /// Whether any column is named.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self != Self::default()
    }

    /// Whether the order of the answers says which is better.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.label.list() == [FIRST_IS_BETTER]
    }

    /// The columns that say which answer is better.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        if self.is_in_order() { Vec::new() } else { self.label.list() }
    }

    /// Whether neither a label nor a score nor the order says which answer is better. Old specs
    /// may be so, hence [`ColumnsSpec::validate`] takes them; no data is read by them any more.
    #[must_use]
    pub fn has_no_judge(&self) -> bool {
        !self.a.is_empty() && self.label.is_empty() && self.score.is_empty()
    }

    /// The keys that are set, in the order of the spec, each with its names.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'static str, Vec<&str>)> {
        let all = [
            ("prompt", texts(&self.prompt)),
            ("a", self.a.list()),
            ("b", self.b.list()),
            ("label", self.label.list()),
            ("values", self.values.list()),
            ("score", self.score.list()),
            ("slice", texts(&self.slice)),
        ];
        all.into_iter().filter(|(_, names)| !names.is_empty()).collect()
    }

    /// Checks that the columns go together.
    ///
    /// # Errors
    /// The first key that does not.
    pub fn validate(&self) -> Result<(), SpecError> {
        let has_answers = !self.is_set() || !self.a.is_empty();
        check("data.columns.a", "", has_answers, NEEDS_ANSWERS)?;
        let one_judge = self.label.is_empty() || self.score.is_empty();
        let expected = "empty, as `data.columns.label` decides already";
        check("data.columns.score", self.score.list().join(", "), one_judge, expected)?;
        let n_values = self.values.list().len();
        let expected = "empty, or the values for a, b and any that mean a tie";
        check("data.columns.values", n_values, n_values != 1, expected)
    }
}

const NEEDS_ANSWERS: &str = "the other keys of `data.columns` need the column of the first answer";

fn texts(name: &str) -> Vec<&str> {
    if name.is_empty() { Vec::new() } else { vec![name] }
}

/// Reads the escapes of a template of columns (`{instruction}\\n{input}`) as those of a TOML text.
///
/// # Errors
/// The escape that TOML does not know.
pub fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let mut after = rest[at + 1..].chars();
        let mark = after.next();
        let simple = match mark {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('b') => Some('\u{8}'),
            Some('f') => Some('\u{c}'),
            Some('"') => Some('"'),
            Some('\\') => Some('\\'),
            _ => None,
        };
        let n_digits = match mark {
            Some('u') => 4,
            Some('U') => 8,
            _ => 0,
        };
        let digits: String = after.as_str().chars().take(n_digits).collect();
        let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == n_digits);
        let Some(read) = simple.or_else(|| code.and_then(char::from_u32)) else {
            return Err(format!("\\{}{digits}", mark.map(String::from).unwrap_or_default()));
        };
        out.push(read);
        rest = &after.as_str()[digits.len()..];
    }
    out.push_str(rest);
    Ok(out)
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
        assert_eq!(
            columns("prompt = 'p'").validate().unwrap_err().to_string(),
            "`data.columns.a` is empty, but the other keys of `data.columns` need the column of the \
             first answer"
        );
        assert_eq!(key("a = 'x'\nlabel = 'l'\nscore = 's'"), "data.columns.score");
        assert_eq!(key("a = 'x'\nvalues = '1'"), "data.columns.values");
    }

    #[test]
    fn a_label_may_be_the_order() {
        let columns = |text: &str| toml::from_str::<ColumnsSpec>(text).unwrap();
        assert!(columns("a = 'x'\nb = 'y'").has_no_judge());
        assert!(!columns("a = 'x'\nscore = 's'").has_no_judge());
        let first = columns("a = 'x'\nb = 'y'\nlabel = 'a'");
        assert!(first.is_in_order() && !first.has_no_judge() && first.labels().is_empty());
        assert_eq!(columns("a = 'x'\nlabel = ['a', 'c']").labels(), ["a", "c"]);
        let two = columns("prompt = 'p'\na = ['x', 'y']");
        assert_eq!(two.entries(), [("prompt", vec!["p"]), ("a", vec!["x", "y"])]);
    }

    #[test]
    fn escapes_of_a_template_are_those_of_toml() {
        for (written, read) in [
            (r"{instruction}\n{input}", "{instruction}\n{input}"),
            (r#"\t\\n\u00e9\U0001F600\""#, "\t\\n\u{e9}\u{1f600}\""),
            ("plain\n{x}", "plain\n{x}"),
        ] {
            assert_eq!(unescape(written).as_deref(), Ok(read), "{written}");
        }
        for (written, wrong) in [(r"a\q", r"\q"), (r"a\u12", r"\u12"), ("a\\", "\\")] {
            assert_eq!(unescape(written), Err(wrong.to_owned()), "{written}");
        }
    }
}
