//! Jinja as transformers runs it for chat templates, on `minijinja`.
//!
//! The same settings (`trim_blocks`, `lstrip_blocks`, loop controls, no escaping), the same extras
//! (`raise_exception`, `strftime_now`, `tojson` without escaping, `{% generation %}` marks), and the
//! methods of Python's texts. One thing differs by intent: `strftime_now` always tells [`TODAY`], for
//! a reward that depends on the day it is computed measures nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};
use serde::Serialize;

use crate::domain::conversation::{Content, Message};

/// What `strftime_now` tells: the day that Llama 3.1's template falls back on.
const TODAY: jiff::civil::Date = jiff::civil::date(2024, 7, 26);
/// Instructions one rendering may take; a conversation of a hundred turns takes a few thousand.
const FUEL: u64 = 20_000_000;
/// The name of the one template of an environment.
const MAIN: &str = "chat";

/// A compiled template with its environment.
#[derive(Debug, Clone)]
pub(super) struct Program {
    environment: Arc<Environment<'static>>,
}

impl Program {
    /// Compiles a template; `tokens` are its globals (`bos_token`, …).
    ///
    /// # Errors
    /// In words, with the line, when it is not Jinja.
    pub(super) fn new(text: &str, tokens: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| in_words(&error))?);
        environment.set_fuel(Some(FUEL));
        environment
            .set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        environment.add_filter("tojson", tojson);
        for (name, token) in tokens {
            environment.add_global(name.clone(), token.clone());
        }
        let source = without_generation_marks(text);
        environment.add_template_owned(MAIN, source).map_err(|error| in_words(&error))?;
        Ok(Self { environment: Arc::new(environment) })
    }

    /// Renders a conversation.
    ///
    /// # Errors
    /// In words: what the template raised, or where it went wrong.
    pub(super) fn render(
        &self,
        messages: &[Message],
        globals: &str,
        add_generation_prompt: bool,
    ) -> Result<String, String> {
        let messages = messages.iter().map(message).collect::<Result<Vec<Value>, _>>()?;
        let template = self.environment.get_template(MAIN).map_err(|error| in_words(&error))?;
        let none = Value::from(());
        let usual = minijinja::context! { tools => &none, documents => &none };
        let own = json(if globals.is_empty() { "{}" } else { globals })?;
        // Of two values of one name the later counts.
        let given = minijinja::value::merge_maps([usual, own]);
        template
            .render(minijinja::context! { messages, add_generation_prompt, ..given })
            .map_err(|error| in_words(&error))
    }
}

/// A message as the template sees it.
fn message(message: &Message) -> Result<Value, String> {
    match &message.content {
        Content::Text(content) if message.fields.is_empty() => {
            Ok(minijinja::context! { role => &message.role, content })
        }
        _ => json(&with_reasoning(message)),
    }
}

/// The message as JSON. As transformers does, reasoning stands under the name that most templates know
/// and under the one that gpt-oss knows, whichever of the three names it came under.
fn with_reasoning(message: &Message) -> String {
    let text = message.to_json();
    match (message.reasoning(), text.strip_prefix('{').and_then(|text| text.strip_suffix('}'))) {
        // Of two keys the later counts, at the place of the first.
        (Some(reasoning), Some(inner)) => {
            format!(r#"{{"thinking":{reasoning},{inner},"reasoning_content":{reasoning}}}"#)
        }
        _ => text,
    }
}

fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// The message with its line, without the name that every template here has.
fn in_words(error: &Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("line {line}: {detail}"),
        None => detail,
    }
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, TODAY.at(12, 0, 0, 0))
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

/// `json.dumps(value, ensure_ascii=False, indent=indent)` of Python.
#[expect(clippy::needless_pass_by_value, reason = "filters take their options by value")]
fn tojson(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let failed =
        |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let mut out = Vec::new();
    match indent {
        Some(n) => {
            let spaces = " ".repeat(n.min(16));
            let format = serde_json::ser::PrettyFormatter::with_indent(spaces.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, format))
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, OneLine)),
    }
    .map_err(failed)?;
    Ok(Value::from_safe_string(String::from_utf8_lossy(&out).into_owned()))
}

/// Python's separators: `, ` and `: `.
struct OneLine;

impl serde_json::ser::Formatter for OneLine {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(
        &mut self,
        writer: &mut W,
    ) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// `{% generation %}` marks what the assistant said, for training masks. Here it is a scope and no more:
/// what is set in it does not hold after it, as in transformers.
fn without_generation_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let (tag, after) = rest[start..].split_at(length + 2);
        out.push_str(&rest[..start]);
        let name = tag[2..length].trim_matches(['-', '+']).trim();
        match name {
            "generation" => out.push_str(&tag.replacen(name, "with generation = true", 1)),
            "endgeneration" => out.push_str(&tag.replacen(name, "endwith", 1)),
            _ => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}
