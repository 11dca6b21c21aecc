//! What can lie over a screen: a question, a choice, a text field, or every action by name.

use crate::domain::run::RunId;

use super::chosen::Chosen;
use super::effect::Effect;
use super::keymap::binding::Context;
use super::keymap::command::Command;
use crate::tui::feed::change::Contents;
use crate::tui::kit::field::Field;
use crate::tui::screens::samples::SamplesPrompt;

/// What lies over the screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    /// A question that waits for yes or no.
    Confirm {
        question: String,
        /// What a yes means, in one line.
        detail: String,
        /// What a yes does.
        then: Then,
    },
    /// One of several things.
    Choice(Choice),
    /// A line of text.
    Prompt(Prompt),
    /// The keys of the screen below, or every action by name.
    Commands(CommandList),
    /// What the words of the screen mean.
    Words(WordList),
}

/// What an answer does.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Something outside the model.
    Effect(Effect),
    /// What a key would do on the screen below.
    Command(Command),
    /// Something that no key does.
    Chosen(Chosen),
}

/// A popup to choose from. An item with a key is taken by it at once, so that a popup opened by `y`
/// makes chords such as `y m`.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub title: String,
    pub items: Vec<ChoiceItem>,
    /// Index of the selected item.
    pub cursor: usize,
}

/// One thing to choose.
#[derive(Debug, Clone, PartialEq)]
pub struct ChoiceItem {
    /// The character that takes it at once.
    pub key: Option<char>,
    pub label: String,
    pub detail: String,
    /// What choosing it does.
    pub then: Then,
}

/// What a line of text is for.
#[derive(Debug, Clone, PartialEq)]
pub enum Purpose {
    /// Rows of the screen below are shown if they match; every change counts.
    Filter,
    /// A row of the launch form; every change is checked.
    LaunchField {
        /// Index of the row.
        at: usize,
        /// Its value before, which Esc puts back.
        before: String,
    },
    /// Something of the samples screen.
    Samples(SamplesPrompt),
    /// The tags of a run, with spaces between.
    Tags { run: RunId, name: String },
    /// The note on a run.
    Note { run: RunId, name: String },
    /// A file to write this into.
    Save { contents: Contents },
    /// A name for a spec to start runs from; a path writes it there.
    Preset {
        /// The text of the spec file.
        contents: String,
    },
    /// Words of the row of the form to go to; every change counts.
    LaunchFind {
        /// The row before, which Esc goes back to.
        from: usize,
    },
}

impl Purpose {
    /// Texts of one kind share a history.
    pub fn history_key(&self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::LaunchField { .. } => "launch",
            Self::Samples(_) => "samples",
            Self::Tags { .. } => "tags",
            Self::Note { .. } => "note",
            Self::Save { .. } => "save",
            Self::Preset { .. } => "preset",
            Self::LaunchFind { .. } => "find",
        }
    }
}

/// A line of text to be entered.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// What is asked for.
    pub title: String,
    /// What it is for.
    pub purpose: Purpose,
    pub field: Field,
    /// The text before the prompt opened: Esc puts a filter back to it.
    pub before: String,
    /// How many texts back in the history; 0 is what is typed.
    pub back: usize,
    /// What is wrong with the text.
    pub error: Option<String>,
    /// What Tab offers, the best first.
    pub completions: Vec<String>,
}

impl Prompt {
    /// A prompt with a text to begin with.
    pub fn new(title: impl Into<String>, purpose: Purpose, text: &str) -> Self {
        Self {
            title: title.into(),
            purpose,
            field: Field::new(text),
            before: text.to_owned(),
            back: 0,
            error: None,
            completions: Vec::new(),
        }
    }
}

/// Actions by name. The help lists what the screen has in the order of the key table, the palette
/// puts the best match first.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandList {
    /// Whether the list keeps the order of the key table.
    pub is_help: bool,
    /// The screen whose actions are listed.
    pub context: Context,
    pub field: Field,
    /// Index of the selected action among those shown.
    pub cursor: usize,
}

/// Words with their meanings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WordList {
    pub field: Field,
    /// Index of the selected word among those shown.
    pub cursor: usize,
}
