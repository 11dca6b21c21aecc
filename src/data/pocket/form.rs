//! Sentences with slots, used in both directions: the generator fills them, the oracle reads the
//! slots back, so the two cannot drift apart.

use std::collections::BTreeMap;

/// Slot names and their values.
pub(super) type Slots = BTreeMap<&'static str, String>;

pub(super) fn slots<const N: usize>(pairs: [(&'static str, String); N]) -> Slots {
    pairs.into_iter().collect()
}

/// One phrasing of a kind of question: `facts|question`, or only a question. A two-turn dialogue
/// has the facts in its first turn.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) kind: &'static str,
    pub(super) text: &'static str,
}

pub(super) const fn form(kind: &'static str, text: &'static str) -> Form {
    Form { kind, text }
}

/// Puts values in their slots; `None` when one is missing.
pub(super) fn fill(template: &str, slots: &Slots) -> Option<String> {
    let mut parts = template.split('{');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (name, literal) = part.split_once('}')?;
        out.push_str(slots.get(name)?);
        out.push_str(literal);
    }
    Some(out)
}

/// Reads the slots back. Each ends where the words after it begin for the first time.
pub(super) fn read(template: &'static str, text: &str) -> Option<Slots> {
    let mut found = Slots::new();
    let mut parts = template.split('{');
    let mut rest = strip(text, parts.next()?)?;
    for part in parts {
        let (name, literal) = part.split_once('}')?;
        let (at, literal_bytes) = find(rest, literal)?;
        let value = &rest[..at];
        rest = &rest[at + literal_bytes..];
        if value.is_empty() || found.insert(name, value.to_owned()).is_some_and(|v| v != value) {
            return None;
        }
    }
    rest.is_empty().then_some(found)
}

/// Finds `literal`, in which `|` stands for a space.
fn find(text: &str, literal: &str) -> Option<(usize, usize)> {
    Some((text.find(&literal.replace('|', " "))?, literal.len()))
}

fn strip<'a>(text: &'a str, literal: &str) -> Option<&'a str> {
    text.strip_prefix(literal.replace('|', " ").as_str())
}

/// `a, b and c`.
pub(super) fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The items of [`join`].
pub(super) fn split_list(list: &str) -> Vec<String> {
    list.replace(" and ", ", ").split(", ").map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_is_read_back() {
        let template = "{name} has {a} {item} and buys {b} more.|How many {item} are there?";
        let values = slots([
            ("name", "Mia".into()),
            ("a", "3".into()),
            ("item", "plums".into()),
            ("b", "4".into()),
        ]);
        let text = fill(template, &values).unwrap().replace('|', " ");
        assert_eq!(read(template, &text), Some(values.clone()));
        assert_eq!(read(template, &text.replace("many plums", "many nuts")), None);
        assert_eq!(read(template, "Mia has 3 plums."), None);
        assert_eq!(fill("{missing}", &values), None);
    }

    #[test]
    fn lists_are_read_back() {
        for n in 1..5 {
            let items: Vec<String> = (0..n).map(|i| format!("w{i}")).collect();
            assert_eq!(split_list(&join(&items)), items);
        }
    }
}
