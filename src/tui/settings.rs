//! The config file of the interface: `config.toml` in the home.
//!
//! ```toml
//! theme = "light"          # auto, dark, light, color-blind, ansi, mono
//! color = "true"           # auto, none, 16, 256, true
//! progress = "off"         # auto, on, off: OSC 9;4
//! mouse = true
//! ascii = false
//! slow = true              # one frame a second at most
//! sort = "accuracy"        # newest, accuracy, state, name
//! reviewer = "anna"        # whose labels these are; else $USER
//! goal = 20                # pairs to judge in a queue at a time
//! guidelines = "rules.md"  # shown beside the pairs of a queue; else guidelines.md in the home
//!
//! [slots]                  # runs at work at a time; one where nothing is said
//! cpu = 2
//!
//! [keys]                   # by the id of an action, which `?` and `ser config` show
//! "run.stop" = ["Z", "F8"]
//! "view.theme" = []        # no key at all
//!
//! [views]                  # lists of samples with a name; V shows them
//! disputed = "selected:yes near:.02 !slice:safe"
//! ```
//!
//! A mistake is refused with its line: a viewer with half of somebody's keys would do things its
//! person did not ask for.

mod guidelines;
mod template;

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::domain::review::{SampleFilter, reviewer_name};
use crate::domain::text::clean::clean_line;
use crate::store::{Home, Slots};

use super::error::TuiError;
use super::kit::key::Key;
use super::kit::progress::ProgressChoice;
use super::kit::theme::{ColorChoice, ThemeName};
use super::screens::runs::SortKey;
use super::shell::keymap;
use super::shell::keymap::Keymap;
use super::shell::keymap::binding::{Binding, Context};

/// A name this dissimilar to every valid one is not a misspelling of any.
const SIMILARITY_MIN: f64 = 0.6;
/// So many ids a hint proposes at most; a word that means more means nothing.
const N_MEANT_MAX: usize = 3;
/// Longest config file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What the config file says; everything has a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// A set of styles; `None` is what suits the terminal.
    pub theme: Option<ThemeName>,
    /// How many colors the terminal is given.
    pub color: ColorChoice,
    /// The mouse is the viewer's from the start.
    pub mouse: bool,
    /// Nothing but ASCII characters is drawn.
    pub ascii: bool,
    /// One frame a second at most.
    pub slow: bool,
    /// The order of the runs list.
    pub sort: Option<SortKey>,
    /// Whether the terminal is told how far a run has come.
    pub progress: ProgressChoice,
    /// The keys in force.
    pub keymap: Keymap,
    /// Lists of samples with a name: name and filter.
    pub views: Vec<(String, String)>,
    /// How many actions have keys of their own.
    pub n_remapped: usize,
    /// Who judges pairs, where the command line names nobody.
    pub reviewer: Option<String>,
    /// Pairs that a reviewer sets out to judge in a queue at a time.
    pub goal: Option<usize>,
    /// The file with the guidelines for reviewers, as it is named, and the line that names it.
    guidelines_file: Option<(String, usize)>,
    /// What the guidelines say; empty where there are none.
    pub guidelines: String,
}

const NAMES: [&str; 13] = [
    "theme",
    "color",
    "mouse",
    "ascii",
    "slow",
    "sort",
    "progress",
    "reviewer",
    "goal",
    "guidelines",
    "slots",
    "keys",
    "views",
];

impl Settings {
    /// Where the file of a home is.
    #[must_use]
    pub fn path(home: &Home) -> PathBuf {
        home.root().join("config.toml")
    }

    /// Reads the file of a home; without one everything is as it comes.
    ///
    /// # Errors
    /// The first mistake in it, with its line and what was probably meant.
    pub fn load(home: &Home) -> Result<Self, TuiError> {
        let path = Self::path(home);
        let unreadable = |source| TuiError::SettingsFile { path: path.clone(), source };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let guidelines = guidelines::read(home, None, &path)?;
                return Ok(Self { guidelines, ..Self::default() });
            }
            Err(error) => return Err(unreadable(error)),
            Ok(metadata) if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX => {
                return Err(unreadable(std::io::Error::other("not a settings file")));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        let mut settings = Self::parse(&text, &path)?;
        let named = settings.guidelines_file.as_ref().map(|(name, line)| (name.as_str(), *line));
        settings.guidelines = guidelines::read(home, named, &path)?;
        Ok(settings)
    }

    /// The settings of a text; `path` is for messages.
    fn parse(text: &str, path: &Path) -> Result<Self, TuiError> {
        let reader = Reader { text, path };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let detail = error.message().lines().collect::<Vec<_>>().join(", ");
            reader.refuse(at, format!("not TOML: {detail}"), "write `name = value`")
        })?;
        let mut settings = Self::default();
        for (name, value) in table.get_ref() {
            let at = name.span().start;
            let value = Value { reader: &reader, name: name.get_ref(), at, given: value.get_ref() };
            match value.name {
                "theme" => {
                    let names = ThemeName::ALL.iter().map(|theme| theme.name());
                    let all: Vec<&str> = ["auto"].into_iter().chain(names).collect();
                    let word = value.one_of(&all)?;
                    settings.theme = word.parse().ok();
                }
                "color" => {
                    settings.color = match value.one_of(&["auto", "none", "16", "256", "true"])? {
                        "none" => ColorChoice::None,
                        "16" => ColorChoice::Ansi16,
                        "256" => ColorChoice::Ansi256,
                        "true" => ColorChoice::True,
                        _ => ColorChoice::Auto,
                    };
                }
                "sort" => {
                    settings.sort =
                        Some(match value.one_of(&["newest", "accuracy", "state", "name"])? {
                            "accuracy" => SortKey::Accuracy,
                            "state" => SortKey::State,
                            "name" => SortKey::Name,
                            _ => SortKey::Newest,
                        });
                }
                "progress" => {
                    settings.progress = match value.one_of(&["auto", "on", "off"])? {
                        "on" => ProgressChoice::On,
                        "off" => ProgressChoice::Off,
                        _ => ProgressChoice::Auto,
                    };
                }
                "mouse" => settings.mouse = value.switch()?,
                "ascii" => settings.ascii = value.switch()?,
                "slow" => settings.slow = value.switch()?,
                // Whoever starts a run reads them.
                "slots" => {
                    Slots::parse(text, path).map_err(|error| {
                        let hint = error.hint().unwrap_or_default();
                        reader.refuse(at, error.to_string(), &hint)
                    })?;
                }
                // Empty is as if nothing was said.
                "reviewer" | "guidelines" if value.is_empty_text() => {}
                "reviewer" => settings.reviewer = Some(value.reviewer()?),
                "goal" => settings.goal = Some(value.goal()?),
                "guidelines" => {
                    let line = reader.line(at);
                    settings.guidelines_file = Some((value.text()?.to_owned(), line));
                }
                "keys" => settings.read_keys(&value)?,
                "views" => settings.read_views(&value)?,
                other => {
                    let hint = nearest(other, NAMES.into_iter());
                    return Err(reader.refuse(at, format!("unknown setting `{other}`"), &hint));
                }
            }
        }
        Ok(settings)
    }

    fn read_views(&mut self, value: &Value<'_>) -> Result<(), TuiError> {
        let DeValue::Table(table) = value.given else {
            return Err(value.expected("a section `[views]` of names and filters"));
        };
        for (name, filter) in table {
            let at = name.span().start;
            let (name, filter) = (name.get_ref().to_string(), filter.get_ref());
            let DeValue::String(filter) = filter else {
                let message = format!("`{name}` is not a filter");
                return Err(value.reader.refuse(at, message, "write `name = \"selected:yes\"`"));
            };
            SampleFilter::parse(filter).map_err(|error| {
                let hint = error.hint().unwrap_or_default();
                value.reader.refuse(at, error.to_string(), &hint)
            })?;
            self.views.push((clean_line(&name), filter.to_string()));
        }
        Ok(())
    }

    fn read_keys(&mut self, value: &Value<'_>) -> Result<(), TuiError> {
        let DeValue::Table(table) = value.given else {
            return Err(value.expected("a section `[keys]` of actions and their keys"));
        };
        let mut changed = Vec::new();
        read_actions(value.reader, "", table, &mut changed)?;
        for (id, keys, _) in &changed {
            self.keymap.set(id, keys);
        }
        let is_other = |(id, keys, _): &&Remapped| {
            keymap::bindings().any(|binding| binding.id == id && binding.keys != keys)
        };
        self.n_remapped = changed.iter().filter(is_other).count();
        for (id, _, at) in &changed {
            if let Some((key, other, context)) = self.keymap.conflict(id) {
                let message = format!(
                    "`{}` is the key of `{id}` and of `{other}` on the {} screen",
                    key.words(),
                    context_words(context)
                );
                let hint = format!("give `{other}` another key, or `[]` for none");
                return Err(value.reader.refuse(*at, message, &hint));
            }
        }
        Ok(())
    }
}

type Remapped = (String, Vec<Key>, usize);

/// `"run.stop" = "X"` and `run.stop = "X"` are the same action.
fn read_actions(
    reader: &Reader<'_>,
    prefix: &str,
    table: &DeTable<'_>,
    out: &mut Vec<Remapped>,
) -> Result<(), TuiError> {
    for (name, value) in table {
        let id = match prefix {
            "" => name.get_ref().to_string(),
            _ => format!("{prefix}.{}", name.get_ref()),
        };
        let at = name.span().start;
        if let DeValue::Table(inner) = value.get_ref() {
            read_actions(reader, &id, inner, out)?;
            continue;
        }
        let Some(binding) = keymap::bindings().find(|binding| binding.id == id) else {
            let hint = nearest_action(&id);
            return Err(reader.refuse(at, format!("unknown action `{id}`"), &hint));
        };
        let value = Value { reader, name: binding.id, at, given: value.get_ref() };
        let is_text = binding.contexts.iter().any(|context| context.is_text());
        out.push((id, value.keys(is_text)?, at));
    }
    Ok(())
}

/// The text with its path, for places in messages.
struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Reader<'_> {
    fn refuse(&self, at: usize, message: String, hint: &str) -> TuiError {
        let line = self.line(at);
        TuiError::Settings { path: self.path.to_owned(), line, message, hint: hint.to_owned() }
    }

    fn line(&self, at: usize) -> usize {
        self.text.get(..at).unwrap_or_default().matches('\n').count() + 1
    }
}

struct Value<'a> {
    reader: &'a Reader<'a>,
    name: &'a str,
    at: usize,
    given: &'a DeValue<'a>,
}

impl Value<'_> {
    fn expected(&self, what: &str) -> TuiError {
        self.reader.refuse(
            self.at,
            format!("`{}` is not {what}", self.name),
            "`?` lists every action and its keys",
        )
    }

    fn switch(&self) -> Result<bool, TuiError> {
        match self.given {
            DeValue::Boolean(value) => Ok(*value),
            _ => Err(self.reader.refuse(
                self.at,
                format!("`{}` is neither `true` nor `false`", self.name),
                &format!("write `{} = true`", self.name),
            )),
        }
    }

    fn text(&self) -> Result<&str, TuiError> {
        let DeValue::String(text) = self.given else {
            let hint = format!("write `{} = \"…\"`", self.name);
            let message = format!("`{}` is not a text", self.name);
            return Err(self.reader.refuse(self.at, message, &hint));
        };
        Ok(text)
    }

    fn is_empty_text(&self) -> bool {
        matches!(self.given, DeValue::String(text) if text.is_empty())
    }

    fn reviewer(&self) -> Result<String, TuiError> {
        reviewer_name(self.text()?).map_err(|error| {
            self.reader.refuse(self.at, error.to_string(), "write `reviewer = \"anna\"`")
        })
    }

    fn goal(&self) -> Result<usize, TuiError> {
        let found = match self.given {
            DeValue::Integer(number) => number.as_str().parse().ok().filter(|n| *n > 0),
            _ => None,
        };
        found.ok_or_else(|| {
            let message = "`goal` is no number of pairs".to_owned();
            self.reader.refuse(self.at, message, "write `goal = 20`")
        })
    }

    fn one_of<'w>(&self, words: &[&'w str]) -> Result<&'w str, TuiError> {
        let list = words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let DeValue::String(text) = self.given else {
            let message = format!("`{}` is not a text", self.name);
            return Err(self.reader.refuse(self.at, message, &format!("one of {list}")));
        };
        words.iter().find(|word| *word == text).copied().ok_or_else(|| {
            let message = format!("`{}` is `{text}`", self.name);
            self.reader.refuse(self.at, message, &format!("one of {list}"))
        })
    }

    /// One key or a list of keys.
    fn keys(&self, is_text: bool) -> Result<Vec<Key>, TuiError> {
        let words: Vec<&str> = match self.given {
            DeValue::String(text) => vec![text],
            DeValue::Array(list) => {
                let texts = list.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.as_ref()),
                    _ => None,
                });
                texts.collect::<Option<_>>().ok_or_else(|| self.not_keys())?
            }
            _ => return Err(self.not_keys()),
        };
        let key = |word: &&str| {
            let key = Key::parse(word).ok_or_else(|| {
                let message = format!("`{word}` is no key");
                self.reader.refuse(self.at, message, KEYS)
            })?;
            if is_text && matches!(key, Key::Char(_)) {
                let message = format!("`{word}` is text where `{}` acts", self.name);
                return Err(self.reader.refuse(self.at, message, "take a key with Ctrl or a name"));
            }
            Ok(key)
        };
        words.iter().map(key).collect()
    }

    fn not_keys(&self) -> TuiError {
        let message = format!("`{}` is neither a key nor a list of keys", self.name);
        self.reader.refuse(self.at, message, KEYS)
    }
}

const KEYS: &str = "write keys as \"x\", \"Space\", \"Ctrl-d\", \"Alt-1\", \"PageDown\", \"F5\"";

fn nearest<'a>(wanted: &str, words: impl Iterator<Item = &'a str>) -> String {
    let scored = words.map(|word| (strsim::jaro_winkler(wanted, word), word));
    let best = scored.filter(|(score, _)| *score >= SIMILARITY_MIN);
    best.max_by(|a, b| a.0.total_cmp(&b.0)).map_or_else(
        || format!("settings are {}", NAMES.join(", ")),
        |(_, word)| format!("did you mean `{word}`?"),
    )
}

/// The ids that are meant by the last part of one, by a word of the hint bar or of the title, or else
/// the most similar one.
fn nearest_action(wanted: &str) -> String {
    let word = wanted.rsplit('.').next().unwrap_or(wanted).to_lowercase();
    let ids = |is_meant: &dyn Fn(&Binding) -> bool| {
        let mut ids: Vec<&str> = Vec::new();
        for binding in keymap::bindings().filter(|binding| is_meant(binding)) {
            if !ids.contains(&binding.id) {
                ids.push(binding.id);
            }
        }
        ids
    };
    let by_part = ids(&|it| it.id.rsplit('.').next() == Some(word.as_str()));
    let by_hint = || ids(&|it| it.hint.to_lowercase() == word);
    let by_title = || {
        ids(&|it| {
            it.title.split(|c: char| !c.is_alphanumeric()).any(|part| part.to_lowercase() == word)
        })
    };
    let mut found = by_part;
    if found.is_empty() {
        found = by_hint();
    }
    if found.is_empty() {
        found = by_title();
    }
    if found.is_empty() || found.len() > N_MEANT_MAX {
        let hint = nearest(wanted, keymap::bindings().map(|binding| binding.id));
        return if hint.starts_with("settings") {
            "`?` and `ser config` show the ids".to_owned()
        } else {
            hint
        };
    }
    let words: Vec<String> = found.iter().map(|id| format!("`{id}`")).collect();
    format!("did you mean {}?", words.join(" or "))
}

/// The words for a screen in a message.
fn context_words(context: Context) -> &'static str {
    match context {
        Context::Runs => "runs",
        Context::Live => "live",
        Context::Samples => "samples",
        Context::Queue => "queue",
        Context::Compare => "compare",
        Context::Launch => "launch",
        Context::Policy => "policy",
        Context::Judging => "judging",
        Context::Confirm | Context::Choice | Context::Prompt => "popup",
    }
}

#[cfg(test)]
mod tests;
