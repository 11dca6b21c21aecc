//! What a message holds beside its text, as text: for people, and for models without a chat
//! template.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields that are shown; a field of another type than its usual one is passed over.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
    #[serde(borrow)]
    function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
}

/// One call: in OpenAI's layout with the function inside, or the function alone.
#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    function: Option<&'a RawValue>,
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// One part of a content that is a list.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
}

fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok()
}

/// See [`super::Message::tool_calls`].
pub(super) fn tool_calls(fields: &str) -> String {
    let Some(fields) = (!fields.is_empty()).then(|| read::<Fields<'_>>(fields)).flatten() else {
        return String::new();
    };
    let calls = fields.tool_calls.and_then(|calls| read::<Vec<&RawValue>>(calls.get()));
    let calls = calls.unwrap_or_default().into_iter().chain(fields.function_call);
    let lines: Vec<String> = calls
        .filter(|call| call.get() != "null")
        .map(|call| line(call.get()).unwrap_or_else(|| call.get().to_owned()))
        .collect();
    lines.join("\n")
}

/// `{"name": …, "arguments": …}`; nothing where it is laid out in another way.
fn line(call: &str) -> Option<String> {
    let call: Call<'_> = read(call)?;
    let call = match call.function {
        Some(function) => read::<Call<'_>>(function.get())?,
        None => call,
    };
    let arguments = call.arguments.map_or("{}", RawValue::get);
    // OpenAI writes arguments as a text that holds JSON.
    let inner: Option<Cow<'_, str>> = read(arguments);
    let arguments = match &inner {
        Some(text) if read::<&RawValue>(text).is_some() => text,
        _ => arguments,
    };
    Some(format!("{{\"name\": {}, \"arguments\": {arguments}}}", call.name?.get()))
}

/// The reasoning of a message under whichever of its three names it stands, as JSON.
fn reasoning_field(fields: &str) -> Option<&str> {
    let fields = (!fields.is_empty()).then(|| read::<Fields<'_>>(fields)).flatten()?;
    let named = [fields.reasoning_content, fields.thinking, fields.reasoning];
    named.into_iter().flatten().map(RawValue::get).find(|text| *text != "null")
}

/// The reasoning of a message as models write it, with what separates it from the answer; empty when
/// there is none.
pub(super) fn reasoning(fields: &str) -> String {
    match reasoning_field(fields).and_then(read::<Cow<'_, str>>) {
        Some(text) if !text.is_empty() => format!("<think>\n{text}\n</think>\n\n"),
        _ => String::new(),
    }
}

/// The texts of a content that is a list of parts, one below the other.
pub(super) fn parts(content: &str) -> String {
    let parts: Vec<&RawValue> = read(content).unwrap_or_default();
    let text = |part: &&RawValue| -> Option<String> {
        let text = read::<Part<'_>>(part.get()).and_then(|part| part.text);
        text.or_else(|| read(part.get())).map(Cow::into_owned)
    };
    parts.iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_lines_of_name_and_arguments() {
        let fields = r#"{"tool_calls":[{"id":"1","type":"function","function":{"name":"clock",
            "arguments":"{\"zone\": \"Oslo\", \"at\": 1}"}},
            {"name":"add","arguments":{"b":1,"a":2.50}},{"name":"now"},{"odd":1}]}"#;
        assert_eq!(
            tool_calls(fields),
            "{\"name\": \"clock\", \"arguments\": {\"zone\": \"Oslo\", \"at\": 1}}\n\
             {\"name\": \"add\", \"arguments\": {\"b\":1,\"a\":2.50}}\n\
             {\"name\": \"now\", \"arguments\": {}}\n{\"odd\":1}"
        );
        let old = r#"{"function_call":{"name":"f","arguments":"not JSON"}}"#;
        assert_eq!(tool_calls(old), "{\"name\": \"f\", \"arguments\": \"not JSON\"}");
        for none in ["", "{}", r#"{"tool_calls":[]}"#, r#"{"tool_calls":null}"#] {
            assert_eq!(tool_calls(none), "", "{none}");
        }
    }

    #[test]
    fn reasoning_and_parts_are_shown_as_text() {
        let fields = r#"{"name":"x","reasoning_content":"a \"b\""}"#;
        assert_eq!(reasoning(fields), "<think>\na \"b\"\n</think>\n\n");
        assert_eq!(reasoning(r#"{"reasoning":""}"#) + &reasoning(r#"{"thinking":5}"#), "");
        let content = r#"[{"type":"text","text":"a\n"},{"type":"image","url":"x"},"b"]"#;
        assert_eq!(parts(content), "a\n\nb");
        assert_eq!(parts("null"), "");
    }
}
