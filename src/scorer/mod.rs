//! Who scores answers: a reward model by name, several together, the oracle of the embedded prompts, or a
//! command of the user's.
//!
//! # Names
//!
//! | name | who scores |
//! |---|---|
//! | `RUN` | the present weights of a run, by id, unique prefix or name |
//! | `RUN:2` | its round 2, where the weights are kept |
//! | `RUN:folds` | the models of the folds of its seed set: one score each |
//! | a folder | the model of the folder, or the adapter in it |
//! | `A,B,C` | all of these runs and folders: one score each, for `mean - k * spread` |
//! | `oracle` | the grader of the prompts that come with the program |
//! | `command:python judge.py` | what this command says |
//!
//! # The protocol of a command
//!
//! The command is started once, by `sh -c`, and asked in JSON lines on its standard input:
//!
//! ```json
//! {"id": 0, "prompt": [{"role": "user", "content": "Name a fruit."}], "response": "A pear.", "left": 1}
//! {"id": 1, "prompt": [{"role": "user", "content": "Name a color."}], "response": "Blue.", "left": 0}
//! ```
//!
//! `prompt` is a list of messages, or a text where the record is no conversation but a text that goes on.
//! `response` is the text of the answer, or a list of messages where the answer is more than one text. What
//! a record has beside its messages for a chat template (`tools`, `chat_template_kwargs`) stands in the
//! line, too. `left` says how many lines follow without a wait, so that a command may collect them and
//! score them together; at 0 all replies are due. To each line it writes a line to its standard output, in
//! any order:
//!
//! ```json
//! {"id": 0, "score": 4}
//! {"id": 1, "score": null}
//! ```
//!
//! A score is any number, and more is better; `null` says that there is none. An external judge is such a
//! command that answers from 0 to 5 by [`RUBRIC`]. Other keys of a reply and blank lines are not read;
//! anything else is an error, and so is an end before the last reply or a wait of more than
//! [`TIME_LIMIT`]. Standard error is the command's own: its last lines stand below such an error.
//!
//! The input ends when no more is to be scored. The command has two seconds to end as well; then its
//! process group is killed, and also when this process is killed itself.

mod command;
mod error;
pub mod model;
mod request;
pub mod trained;

use std::path::Path;
use std::time::Duration;

use crate::data::pocket::grade;
use crate::domain::text::conversation::{TextForm, USER_ROLE};
use crate::domain::text::dialogue::{ASSISTANT, HUMAN};
use crate::engine::scoring::{Text, encode_texts, score_texts};
use crate::store::Home;
use command::CommandScorer;
use model::{ModelWanted, OpenModel};

pub use command::{Problem, TIME_LIMIT};
pub use error::ScorerError;

/// The name of the grader of the embedded prompts.
pub const ORACLE: &str = "oracle";
/// What the name of a command begins with.
const COMMAND: &str = "command:";
/// How a judge gives an answer 0 to 5 points.
pub const RUBRIC: &str = include_str!("../../assets/judge-rubric.md");
/// Tokens scored together.
const SCORE_TOKENS: usize = 8192;

/// Who is meant by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    Models(Vec<ModelWanted>),
    Oracle,
    /// What `sh` is to run.
    Command(String),
}

impl Wanted {
    /// Reads a name of the table above; models take `n_threads` threads, 0 meaning one a core. Nothing is
    /// opened. The path of a folder may hold commas.
    ///
    /// # Errors
    /// When a list has an empty part, or one that stands alone.
    pub fn read(name: &str, n_threads: usize) -> Result<Self, ScorerError> {
        if let Some(command) = name.strip_prefix(COMMAND) {
            let command = command.trim().to_owned();
            return if command.is_empty() {
                Err(ScorerError::NoCommand)
            } else {
                Ok(Self::Command(command))
            };
        }
        if name == ORACLE {
            return Ok(Self::Oracle);
        }
        if !name.contains(',') || Path::new(name).is_dir() {
            return Ok(Self::Models(vec![ModelWanted::named(name, n_threads)]));
        }
        let model = |part: &str| {
            let (name, part) = (name.to_owned(), part.trim());
            if part.is_empty() {
                return Err(ScorerError::EmptyPart { name });
            }
            if part == ORACLE || part.starts_with(COMMAND) {
                return Err(ScorerError::StandsAlone { name, part: part.to_owned() });
            }
            Ok(ModelWanted::named(part, n_threads))
        };
        name.split(',').map(model).collect::<Result<_, _>>().map(Self::Models)
    }

    /// Opens the models, or starts the command.
    ///
    /// # Errors
    /// As [`ModelWanted::open`], or when there is no shell.
    pub fn open(&self, home: &Home) -> Result<Scorer, ScorerError> {
        Ok(match self {
            Self::Models(models) => {
                let open = |it: &ModelWanted| it.open_all(home);
                let models = models.iter().map(open).collect::<Result<Vec<_>, _>>()?;
                let models: Vec<OpenModel> = models.into_iter().flatten().collect();
                let names: Vec<&str> = models.iter().map(|it| it.name.as_str()).collect();
                Scorer { name: names.join(", "), kind: Kind::Models(models) }
            }
            Self::Oracle => Scorer { name: ORACLE.to_owned(), kind: Kind::Oracle },
            Self::Command(command) => {
                let process = Box::new(CommandScorer::start(command)?);
                Scorer { name: format!("{COMMAND}{command}"), kind: Kind::Command(process) }
            }
        })
    }
}

/// Opens who is called so; models take `n_threads` threads, 0 meaning one a core.
///
/// # Errors
/// As [`Wanted::read`] and [`Wanted::open`].
pub fn open(home: &Home, name: &str, n_threads: usize) -> Result<Scorer, ScorerError> {
    Wanted::read(name, n_threads)?.open(home)
}

/// Who scores answers.
pub struct Scorer {
    name: String,
    kind: Kind,
}

enum Kind {
    Models(Vec<OpenModel>),
    Oracle,
    Command(Box<CommandScorer>),
}

impl Scorer {
    /// Who it is, in words.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long a command may take until its next reply, [`TIME_LIMIT`] at first.
    pub fn set_time_limit(&mut self, limit: Duration) {
        if let Kind::Command(command) = &mut self.kind {
            command.set_time_limit(limit);
        }
    }

    /// For each text, in order, the score of every model, several for several; empty where the oracle does
    /// not know the prompt or a command has no score.
    ///
    /// # Errors
    /// When a text cannot be encoded or scored, or a command does not keep to the protocol.
    pub fn scores(&mut self, texts: &[Text<'_>]) -> Result<Vec<Vec<f64>>, ScorerError> {
        match &mut self.kind {
            Kind::Models(models) => {
                let mut all = vec![Vec::with_capacity(models.len()); texts.len()];
                for it in models {
                    let encoded = encode_texts(it.model.as_ref(), texts)?;
                    let rewards = score_texts(it.model.as_mut(), &encoded, SCORE_TOKENS)?;
                    for (scores, reward) in all.iter_mut().zip(rewards) {
                        scores.push(f64::from(reward));
                    }
                }
                Ok(all)
            }
            Kind::Oracle => {
                let score = |text| graded(text).into_iter().collect();
                Ok(texts.iter().map(score).collect())
            }
            Kind::Command(command) => {
                let scores = command.scores(texts)?;
                Ok(scores.into_iter().map(|score| score.into_iter().collect()).collect())
            }
        }
    }
}

/// What the oracle says of an answer. It knows its questions as flat dialogues, however they are written.
fn graded(Text { form, prompt, response }: &Text<'_>) -> Option<f64> {
    let grade = grade(prompt, response).or_else(|| {
        let [asked, _] = match form {
            TextForm::Whole | TextForm::Dialogue => None,
            TextForm::Plain | TextForm::Messages(_) => form.parts(prompt, response, 0),
        }?;
        let turn = |mark: &str, text: &str| [mark, " ", text].concat();
        let turns = asked.iter().map(|it| match it.role.as_str() {
            _ if it.is_assistant() => turn(ASSISTANT, it.text()),
            USER_ROLE => turn(HUMAN, it.text()),
            _ => it.text().to_owned(),
        });
        grade(&(turns.collect::<String>() + ASSISTANT), response)
    });
    grade.map(|it| it.score)
}

#[cfg(test)]
mod tests;
