//! Jinja as transformers runs it for chat templates, on `minijinja`.
//!
//! It has the same settings (`trim_blocks`, `lstrip_blocks`, loop controls, no escaping), the same
//! extras (`raise_exception`, `strftime_now`, `tojson` without escaping, `{% generation %}` marks),
//! and Python's values, texts and methods. Where `minijinja` differs from Jinja, the template is
//! rewritten or refused with the place (`scan`). One difference is intended: `strftime_now` always
//! returns [`TODAY`], because a reward must not depend on the day it is computed.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Enumerator, Object, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State};

use self::json::Fields;
use crate::domain::text::conversation::{Content, Message};

mod filters;
mod json;
mod methods;
mod percent;
mod python;
mod scan;
#[cfg(test)]
mod tests;

/// The day that `strftime_now` returns: the one that Llama 3.1's template uses when it has no
/// clock.
const TODAY: jiff::civil::Date = jiff::civil::date(2024, 7, 26);
/// A day that differs from [`TODAY`] in every part of a date, to find templates that write the day.
const ANOTHER_DAY: jiff::civil::Date = jiff::civil::date(2031, 11, 5);
/// Instructions one rendering may take; a conversation of a hundred turns takes a few thousand.
const FUEL: u64 = 20_000_000;
/// Most bytes that a rendering may write; it stops a template that writes without end.
const BYTES_MAX: usize = 16 << 20;
/// The name of the one template of an environment.
const MAIN: &str = "chat";
/// The name of [`ANOTHER_DAY`] in a rendering, which no template can say.
const DAY: &str = "another day";
/// The names that a message's reasoning goes by; the first is the one that templates read.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// A compiled template with its environment.
#[derive(Debug, Clone)]
pub(super) struct Program {
    environment: Arc<Environment<'static>>,
}

impl Program {
    /// Compiles a template; `tokens` are its globals (`bos_token`, …).
    ///
    /// # Errors
    /// In words, with the line, when it is not Jinja, or would be rendered otherwise than transformers
    /// renders it.
    pub(super) fn new(text: &str, tokens: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let syntax = syntax.map_err(|error| in_words(&error))?;
        environment.set_syntax(syntax.clone());
        environment.set_fuel(Some(FUEL));
        environment.set_formatter(print);
        environment.set_unknown_method_callback(methods::call);
        filters::install(&mut environment);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        for (name, token) in tokens {
            environment.add_global(name.clone(), token.clone());
        }
        let source = text.replace("\r\n", "\n").replace('\r', "\n");
        let source = scan::rewritten(&source, syntax)?;
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
        self.render_on(false, messages, globals, add_generation_prompt)
    }

    /// Whether the rendered text would change with the day.
    pub(super) fn prints_the_day(&self, messages: &[Message]) -> bool {
        let [today, another] = [false, true].map(|day| self.render_on(day, messages, "", false));
        today != another
    }

    fn render_on(
        &self,
        is_another_day: bool,
        messages: &[Message],
        globals: &str,
        add_generation_prompt: bool,
    ) -> Result<String, String> {
        let messages = messages.iter().map(message).collect::<Result<Vec<Value>, _>>()?;
        let template = self.environment.get_template(MAIN).map_err(|error| in_words(&error))?;
        let mut names = vec![
            ("tools".to_owned(), Value::from(())),
            ("documents".to_owned(), Value::from(())),
            ("messages".to_owned(), Value::from(messages)),
            ("add_generation_prompt".to_owned(), Value::from(add_generation_prompt)),
            (DAY.to_owned(), Value::from(is_another_day)),
        ];
        let Fields(given) = serde_json::from_str(if globals.is_empty() { "{}" } else { globals })
            .map_err(|error| error.to_string())?;
        for (name, raw) in given {
            names.push((name, json::load(raw.get())?));
        }
        let mut out = Capped(Vec::new());
        // Of two values with one name the later counts.
        let render = || template.render_captured_to(Value::from_pairs(names), &mut out).map(|_| ());
        // `loop.cycle(*[])` divides by zero in minijinja 3.1.0.
        let rendered = catch_unwind(AssertUnwindSafe(render));
        if out.0.len() >= BYTES_MAX {
            return Err("it renders more than 16 MiB".to_owned());
        }
        rendered.map_err(|_| "the library panicked")?.map_err(|error| in_words(&error))?;
        String::from_utf8(out.0).map_err(|error| error.to_string())
    }
}

/// A buffer that refuses to grow beyond [`BYTES_MAX`].
struct Capped(Vec<u8>);

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(&bytes[..bytes.len().min(BYTES_MAX - self.0.len())]);
        if self.0.len() == BYTES_MAX {
            Err(std::io::ErrorKind::FileTooLarge.into())
        } else {
            Ok(bytes.len())
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether tools are given beside the messages.
pub(super) fn has_tools(globals: &str) -> bool {
    let given = serde_json::from_str::<serde_json::Value>(globals);
    given.is_ok_and(|given| given.get("tools").is_some_and(|tools| !tools.is_null()))
}

/// A message as transformers hands it to a template: fields without a value are left out, and
/// reasoning is given as `reasoning_content` and as `thinking`, whatever it is called in the file.
fn message(message: &Message) -> Result<Value, String> {
    if let (Content::Text(content), true) = (&message.content, message.fields.is_empty()) {
        return Ok(minijinja::context! { role => &message.role, content });
    }
    let text = message.to_json();
    let Fields(fields) = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let fields = fields.into_iter().map(|(name, raw)| Ok((name, json::load(raw.get())?)));
    let mut fields = fields.collect::<Result<Vec<_>, String>>()?;
    fields.retain(|(_, value)| !value.is_none());
    let named = |name: &&str| {
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    if let Some(reasoning) = REASONING.iter().find_map(named) {
        // `{"thinking": reasoning, **message, "reasoning_content": reasoning}` of Python: a name that is
        // there already keeps its place.
        let thinking = named(&"thinking").unwrap_or_else(|| reasoning.clone());
        fields.insert(0, ("thinking".to_owned(), thinking));
        fields.push((REASONING[0].to_owned(), reasoning));
    }
    let value = Value::from_pairs(fields);
    Ok(if message.fields.is_empty() { value } else { Value::from_object(Fielded(value)) })
}

/// A message with further fields, whose order in the file is not known.
#[derive(Debug)]
struct Fielded(Value);

impl Object for Fielded {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get_item(key).ok().filter(|value| !value.is_undefined())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let detail = "a message written as a whole: the order of its fields is not kept";
        Enumerator::Values(vec![Value::from(python::failed(detail))])
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        self.0.len()
    }
}

/// Writes a value as Python's `str` does.
fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) => out.write_str(text).map_err(Error::from),
        None => out.write_str(&python::text(value)?).map_err(Error::from),
    }
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

fn strftime_now(state: &State<'_, '_>, format: &str) -> Result<String, Error> {
    let is_another = state.lookup(DAY).is_some_and(|day| day.is_true());
    let day = if is_another { ANOTHER_DAY } else { TODAY };
    jiff::fmt::strtime::format(format, day.at(12, 0, 0, 0))
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}
