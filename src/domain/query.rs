//! What the small languages of filters have in common: words, operators, and a guess at a misspelled
//! name.
//!
//! ```text
//! query     words with spaces between; `!` before a word asks for the opposite
//! word      NAME OP VALUE without spaces around OP, or any other text
//! OP        : = != < > <= >=
//! "quoted"  keeps its spaces; a word that begins with a quotation mark is a text, whatever it holds
//! ```

/// A word of a query, without its quotation marks and its `!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Whether the word begins with a quotation mark: it is then plain text, and no `NAME OP
    /// VALUE`.
    pub is_quoted: bool,
    /// Whether a `!` stands before it.
    pub is_inverted: bool,
}

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The operator `:` of texts.
    Has,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// Longer operators first: `<=` is not `<` and `=`.
const OPERATORS: [(&str, Operator); 7] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::MoreOrEqual),
    (":", Operator::Has),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::More),
];

/// The Jaro-Winkler similarity above which a word counts as a misspelling of another.
const SIMILARITY_MIN: f64 = 0.7;

impl Operator {
    /// How it is written.
    #[must_use]
    pub fn sign(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("", |(sign, _)| sign)
    }
}

/// The words of a query. A `!` alone is a word.
#[must_use]
pub fn words(query: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let (mut raw, mut is_inside) = (String::new(), false);
    for c in query.chars().chain([' ']) {
        if c.is_whitespace() && !is_inside {
            words.extend(word(&std::mem::take(&mut raw)));
        } else {
            is_inside ^= c == '"';
            raw.push(c);
        }
    }
    // A quotation mark that is never closed makes the rest of the query one word.
    words.extend(word(raw.trim_end()));
    words
}

fn word(raw: &str) -> Option<Word> {
    let inverted = raw.strip_prefix('!').filter(|rest| !rest.is_empty());
    let rest = inverted.unwrap_or(raw);
    let text = rest.replace('"', "");
    let (is_quoted, is_inverted) = (rest.starts_with('"'), inverted.is_some());
    (!text.is_empty()).then_some(Word { text, is_quoted, is_inverted })
}

/// Name, operator and value of a word, where it has a name.
#[must_use]
pub fn term(word: &str) -> Option<(&str, Operator, &str)> {
    let end = word.find(|c: char| !c.is_ascii_alphabetic() && c != '_')?;
    let (name, rest) = word.split_at(end);
    let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign))?;
    (!name.is_empty()).then_some((name, *operator, &rest[sign.len()..]))
}

/// The most similar of some words, if one is similar enough to be meant.
#[must_use]
pub fn nearest<'a>(wanted: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(wanted, word), word))
        .filter(|(similarity, _)| *similarity > SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_apart_at_spaces_outside_marks() {
        let found = |query: &str| -> Vec<String> {
            let marks = |word: &Word| {
                let inverted = if word.is_inverted { "!" } else { "" };
                let quoted = if word.is_quoted { "'" } else { "" };
                format!("{inverted}{quoted}{}", word.text)
            };
            words(query).iter().map(marks).collect()
        };
        assert_eq!(found("  a  b "), ["a", "b"]);
        assert_eq!(found("\"a b\" !\"c\" !d"), ["'a b", "!'c", "!d"]);
        assert_eq!(found("note:\"two words\""), ["note:two words"]);
        assert_eq!(found("\"never closed "), ["'never closed"]);
        assert_eq!(found("! \"\" x"), ["!", "x"]);
    }

    #[test]
    fn a_term_has_a_name() {
        assert_eq!(term("acc>=.7"), Some(("acc", Operator::MoreOrEqual, ".7")));
        assert_eq!(term("st!=done"), Some(("st", Operator::NotEqual, "done")));
        assert_eq!(term("is:"), Some(("is", Operator::Has, "")));
        for text in ["16:9", ":x", "word", "two words:x", ""] {
            assert_eq!(term(text), None, "{text}");
        }
        assert!(OPERATORS.iter().all(|(sign, operator)| operator.sign() == *sign));
    }
}
