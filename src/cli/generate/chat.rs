//! `ser chat MODEL`: a conversation in the terminal.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;

use super::options::{self, LanguageArgs, SamplingArgs};
use crate::cli::{CliError, CliResult, Context};
use crate::domain::text::clean::clean_text;
use crate::domain::text::conversation::{ASSISTANT_ROLE, Message, SYSTEM_ROLE, USER_ROLE};
use crate::engine::generation::{AnswerPlace, Generated, GenerationSettings, Listener, Reply};
use crate::engine::text_model::{PromptText, TextModel, Texts};

/// Arguments of `ser chat`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Lines that begin with a slash are commands: `/reset` forgets the conversation, \
    `/system TEXT` gives instructions and begins anew (without a text: takes them back), `/quit` or the end \
    of the input leaves. Ctrl-C ends an answer, and the program where none is being written. What was said is \
    written by the model's chat template each time; when it grows too long, the oldest turns are left out, \
    which is said.\n\n\
    Examples:\n  ser chat ./model\n  ser chat ./model --system 'Answer in one sentence.' --temperature 0.7"
)]
pub struct ChatArgs {
    #[command(flatten)]
    model: LanguageArgs,
    /// Instructions that stand before the conversation
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    #[command(flatten)]
    sampling: SamplingArgs,
}

/// What the person wants.
#[derive(Debug, PartialEq, Eq)]
enum Said<'a> {
    Text(&'a str),
    Reset,
    System(&'a str),
    Quit,
    Unknown(&'a str),
    Nothing,
}

impl<'a> Said<'a> {
    fn of(line: &'a str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return if line.is_empty() { Self::Nothing } else { Self::Text(line) };
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match name {
            "reset" => Self::Reset,
            "system" => Self::System(rest.trim()),
            "quit" | "exit" => Self::Quit,
            other => Self::Unknown(other),
        }
    }
}

/// Talks.
///
/// # Errors
/// When the model cannot be opened or has no chat template.
pub fn run(context: &Context, args: &ChatArgs) -> CliResult {
    let mut model = options::open(context, &args.model)?;
    if model.texts.chat_template().is_none() {
        let message = format!("`{}` has no chat template, so it knows no turns", args.model.model);
        return Err(CliError::input(message).with_hint(
            "`--chat-template hh` (or `chatml`, `llama-3`, …) names one; `ser generate` continues plain texts",
        ));
    }
    let mut settings = args.sampling.settings(&model, 1)?;
    args.sampling.tell(context, &args.model, &model, &settings);
    context
        .say("`/reset` forgets, `/system TEXT` instructs, `/quit` leaves; Ctrl-C ends an answer");
    let stop = Stop::new()?;
    let mut history = History { system: args.system.clone(), turns: Vec::new() };
    let mut input = std::io::stdin().lock();
    let is_terminal = std::io::stdin().is_terminal();
    loop {
        if is_terminal {
            let mut out = std::io::stdout();
            write!(out, "> ")?;
            out.flush()?;
        }
        let mut line = String::new();
        if input.read_line(&mut line).map_err(|error| CliError::failure(error.to_string()))? == 0 {
            return Ok(());
        }
        match Said::of(&line) {
            Said::Nothing => {}
            Said::Quit => return Ok(()),
            Said::Reset => history.turns.clear(),
            Said::System(text) => {
                history = History {
                    system: (!text.is_empty()).then(|| text.to_owned()),
                    turns: Vec::new(),
                };
            }
            Said::Unknown(name) => {
                context
                    .say(&format!("no command `/{name}`; there are `/reset`, `/system`, `/quit`"));
            }
            Said::Text(text) => {
                history.turns.push(Message::new(USER_ROLE, text));
                answer(context, &mut model, &settings, &stop, &mut history)?;
                // Each answer has draws of its own.
                settings.first_prompt = settings.first_prompt.wrapping_add(1);
            }
        }
    }
}

/// Answers the last turn and adds the answer to the conversation.
fn answer(
    context: &Context,
    model: &mut TextModel,
    settings: &GenerationSettings,
    stop: &Stop,
    history: &mut History,
) -> CliResult {
    let Some(tokens) = fitting(context, &model.texts, settings, history)? else {
        history.turns.pop();
        return Ok(());
    };
    let mut stream = Stream { texts: &model.texts, stop, text: String::new(), failure: None };
    stop.listen(true);
    let generated = model.model.generate(&[&tokens], settings, &mut stream);
    stop.listen(false);
    let Stream { text, failure, .. } = stream;
    generated?;
    if let Some(error) = failure {
        return Err(error.into());
    }
    let mut out = std::io::stdout();
    writeln!(out)?;
    out.flush()?;
    let said = if model.texts.answers_with_a_space() { text.trim_start() } else { &text };
    history.turns.push(Message::new(ASSISTANT_ROLE, said));
    Ok(())
}

/// The tokens of the conversation, its oldest turns left out if it has grown too long; none when the
/// last turn alone is too long.
fn fitting(
    context: &Context,
    texts: &Texts,
    settings: &GenerationSettings,
    history: &mut History,
) -> CliResult<Option<Vec<u32>>> {
    let mut n_left_out = 0;
    loop {
        let messages = history.messages();
        let prompt = PromptText::Chat { messages: &messages, globals: "", flat: "" };
        let tokens = texts.encode(prompt)?;
        // An answer needs room as well.
        let room = settings.n_tokens_max.min(settings.max_tokens / 4);
        let fits = tokens.len() + room <= settings.max_tokens;
        if !fits && history.turns.len() > 2 {
            history.turns.drain(..2);
            n_left_out += 2;
            continue;
        }
        if n_left_out > 0 {
            context.say(&format!("the oldest {n_left_out} turns no longer fit and are left out"));
        }
        if let Err(error) = settings.room(tokens.len()) {
            context.say(&error.to_string());
            return Ok(None);
        }
        return Ok(Some(tokens));
    }
}

/// What was said.
struct History {
    system: Option<String>,
    turns: Vec<Message>,
}

impl History {
    fn messages(&self) -> Vec<Message> {
        let system = self.system.iter().map(|text| Message::new(SYSTEM_ROLE, text));
        system.chain(self.turns.iter().cloned()).collect()
    }
}

/// Ctrl-C: it ends an answer, or the program where none is being written.
struct Stop {
    is_asked: Arc<AtomicBool>,
    ends_program: Arc<AtomicBool>,
}

impl Stop {
    fn new() -> CliResult<Self> {
        let refused = |error: std::io::Error| CliError::failure(error.to_string());
        let (is_asked, ends_program) = (Arc::default(), Arc::new(AtomicBool::new(true)));
        let ends = Arc::clone(&ends_program);
        signal_hook::flag::register_conditional_default(SIGINT, ends).map_err(refused)?;
        let asked = Arc::clone(&is_asked);
        signal_hook::flag::register(SIGINT, asked).map_err(refused)?;
        Ok(Self { is_asked, ends_program })
    }

    /// Whether Ctrl-C ends an answer from now on.
    fn listen(&self, is_answering: bool) {
        self.is_asked.store(false, Ordering::SeqCst);
        self.ends_program.store(!is_answering, Ordering::SeqCst);
    }
}

/// Writes an answer as it comes.
struct Stream<'a> {
    texts: &'a Texts,
    stop: &'a Stop,
    text: String,
    failure: Option<std::io::Error>,
}

impl Stream<'_> {
    /// Writes what is new of the answer; a character that is not whole waits for its other tokens.
    fn show(&mut self, tokens: &[u32], is_over: bool) {
        let text = self.texts.decode(tokens).unwrap_or_default();
        if !is_over && text.ends_with(char::REPLACEMENT_CHARACTER) {
            return;
        }
        let Some(new) = text.strip_prefix(self.text.as_str()) else { return };
        let new = if self.text.is_empty() && self.texts.answers_with_a_space() {
            new.trim_start()
        } else {
            new
        };
        let mut out = std::io::stdout();
        let written = write!(out, "{}", clean_text(new)).and_then(|()| out.flush());
        self.failure = self.failure.take().or(written.err());
        self.text = text;
    }
}

impl Listener for Stream<'_> {
    fn on_token(&mut self, _: AnswerPlace, tokens: &[u32]) -> Reply {
        self.show(tokens, false);
        let is_stopped = self.failure.is_some() || self.stop.is_asked.load(Ordering::SeqCst);
        if is_stopped { Reply::EndAnswer } else { Reply::GoOn }
    }

    fn on_answer(&mut self, answer: Generated) {
        self.show(&answer.tokens, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_what_is_said() {
        assert_eq!(Said::of("  Hello there \n"), Said::Text("Hello there"));
        assert_eq!(Said::of("/system Be brief. \n"), Said::System("Be brief."));
        assert_eq!(Said::of("/system"), Said::System(""));
        assert_eq!((Said::of("/reset"), Said::of("/quit\n")), (Said::Reset, Said::Quit));
        assert_eq!((Said::of("/help"), Said::of(" \n")), (Said::Unknown("help"), Said::Nothing));
    }
}
