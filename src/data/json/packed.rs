//! Message lists that lie in a column as JSON text: what pandas, polars and `datasets` write where a
//! cell can only be a text.
//!
//! A text that merely looks like JSON stays a text, since an answer can be JSON. So whole columns are
//! unpacked, by what their first cell holds, and only where that is messages.

use std::borrow::Cow;

use super::super::error::{RecordError, excerpt};
use super::value::Json;

/// Which columns of a file hold message lists as JSON text.
#[derive(Debug, Default)]
pub(in super::super) struct PackedColumns {
    /// In the order in which they were first seen with a value.
    seen: Vec<(String, bool)>,
    /// Columns without a value so far.
    n_open: usize,
    is_any: bool,
    has_begun: bool,
}

/// What a text holds.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Packed<'a> {
    /// A message, or a list of messages.
    Messages(Json<'a>),
    /// The same, as Python's `repr` writes it.
    Repr,
    Text,
}

impl<'a> Packed<'a> {
    /// Looks into a text.
    pub(in super::super) fn of(text: &'a str) -> Self {
        // Most texts are told apart by their first bytes.
        let start = text.trim_ascii();
        let is_repr = ["[{'", "{'", "['{\""].iter().any(|head| start.starts_with(head));
        if is_repr {
            let names = ["role", "content", "from", "value"];
            let inner = start.trim_start_matches(['[', '{', '\'', '"', ' ']);
            let has_name = names.iter().any(|name| inner.starts_with(name));
            return if has_name && start.ends_with(['}', ']']) { Self::Repr } else { Self::Text };
        }
        if !start.starts_with('{')
            && !start.strip_prefix('[').is_some_and(|s| s.trim_start().starts_with('{'))
        {
            return Self::Text;
        }
        match serde_json::from_str::<Json<'a>>(text) {
            Ok(value) if is_messages(&value) => Self::Messages(value),
            _ => Self::Text,
        }
    }
}

fn is_messages(value: &Json<'_>) -> bool {
    match value {
        Json::List(list) => !list.is_empty() && list.iter().all(is_message),
        message => is_message(message),
    }
}

/// Whether an object is a message: `role` and `content`, or `from` and `value`. A message with a
/// role may lack its text, if it calls a tool.
pub(in super::super) fn is_message(value: &Json<'_>) -> bool {
    let is_text = |key| value.get(key).as_text().is_some();
    is_text("role") && ["content", "tool_calls", "text"].iter().any(|key| value.has_key(key))
        || is_text("from") && value.has_key("value")
}

impl PackedColumns {
    /// Replaces the texts of the columns that hold message lists.
    pub(in super::super) fn unpack(&mut self, record: &mut Json<'_>) -> Result<(), RecordError> {
        if self.has_begun && !self.is_any && self.n_open == 0 {
            return Ok(());
        }
        let Json::Object(entries) = record else { return Ok(()) };
        self.n_open = 0;
        for (key, value) in entries {
            let Json::Text(text) = value else {
                self.n_open += usize::from(value.is_null());
                continue;
            };
            let seen = self.seen.iter().find(|(name, _)| name == key).map(|(_, packed)| *packed);
            if seen == Some(false) {
                continue;
            }
            let wrong = |field: &str| (field.to_owned(), excerpt(text));
            let packed = match (unpacked(text), seen) {
                (Packed::Messages(list), _) => {
                    *value = list;
                    true
                }
                (Packed::Repr, _) => {
                    let (field, excerpt) = wrong(key);
                    return Err(RecordError::PythonRepr { field, excerpt });
                }
                (Packed::Text, Some(_)) => {
                    let (field, excerpt) = wrong(key);
                    return Err(RecordError::NoMessages { field, excerpt });
                }
                (Packed::Text, None) => false,
            };
            if seen.is_none() {
                self.seen.push((key.to_string(), packed));
                self.is_any |= packed;
            }
        }
        self.has_begun = true;
        Ok(())
    }
}

/// What a text holds, borrowed from the file where the text is.
fn unpacked<'a>(text: &Cow<'a, str>) -> Packed<'a> {
    match text {
        Cow::Borrowed(text) => Packed::of(text),
        Cow::Owned(text) => match Packed::of(text) {
            Packed::Messages(list) => Packed::Messages(list.into_owned()),
            Packed::Repr => Packed::Repr,
            Packed::Text => Packed::Text,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpack(records: &[&str]) -> Vec<String> {
        let mut columns = PackedColumns::default();
        let read = |text: &&str| {
            let mut record = Json::parse(text).unwrap();
            match columns.unpack(&mut record) {
                Ok(()) => serde_json::to_string(&record).unwrap(),
                Err(error) => error.to_string(),
            }
        };
        records.iter().map(read).collect()
    }

    #[test]
    fn only_messages_are_unpacked() {
        for (text, expected) in [
            (r#"[{"role":"user","content":"q"}]"#, true),
            (" [ {\"content\": null, \"role\": \"assistant\", \"tool_calls\": []} ]\n", true),
            (r#"[{"from":"human","value":"q"}]"#, true),
            (r#"{"from":"gpt","value":"a"}"#, true),
            (r#"{"role":"assistant","content":"a"}"#, true),
            (r#"[{"role":"user","content":"q"},{"name":"x"}]"#, false),
            (r#"[{"name":"x","content":"q"}]"#, false),
            (r#"{"content":"q"}"#, false),
            (r#"[{"role":"user","content":"q"}] and more"#, false),
            (r#"[{"role":"user","content":"q"}"#, false),
            ("[]", false),
            ("[1]", false),
            ("{}", false),
            ("", false),
        ] {
            assert_eq!(matches!(Packed::of(text), Packed::Messages(_)), expected, "{text}");
        }
        for (text, expected) in [
            ("[{'role': 'user', 'content': 'q'}]", true),
            ("[{'content': 'q', 'role': 'user'}\n {'content': 'a', 'role': 'assistant'}]", true),
            ("{'from': 'gpt', 'value': 'a'}", true),
            // `datasets` writes a list of `Json` to CSV like this.
            (r#"['{"role":"user","content":"q"}' '{"role":"assistant","content":"a"}']"#, true),
            ("{'x': 1}", false),
            ("[{'role': 'user'}] is a list", false),
        ] {
            assert_eq!(Packed::of(text) == Packed::Repr, expected, "{text}");
        }
    }

    #[test]
    fn the_first_cell_of_a_column_decides() {
        let list = r#"[{\"role\":\"user\",\"content\":\"q\"}]"#;
        let plain = list.replace('\\', "");
        let packed = format!(r#"{{"a":"{list}","b":"x","c":null}}"#);
        let later = format!(r#"{{"a":"{list}","b":"{list}","c":"{list}"}}"#);
        let found = unpack(&[
            &packed,
            &later,
            r#"{"a":"text"}"#,
            r#"{"a":null}"#,
            r#"{"a":"{'role': 1}"}"#,
        ]);
        assert_eq!(found[0], format!(r#"{{"a":{plain},"b":"x","c":null}}"#));
        // A text of an ordinary column stays, even where it is JSON.
        assert_eq!(found[1], format!(r#"{{"a":{plain},"b":"{list}","c":{plain}}}"#));
        assert_eq!(found[2], "field `a` holds message lists as JSON text, but here `text`");
        assert_eq!(found[3], r#"{"a":null}"#);
        assert_eq!(found[4], "field `a` is a list as Python's `repr` writes it: `{'role': 1}`");
        let later = format!(r#"{{"a":"{list}"}}"#);
        assert_eq!(unpack(&[r#"{"a":"x"}"#, &later])[1], later);
    }
}
