//! What came of a change that was asked for.

use super::prompt;
use crate::domain::text::clean::clean_line;
use crate::tui::feed::change::Answer;
use crate::tui::screens::runs;
use crate::tui::shell::effect::{Effect, Terminal};
use crate::tui::shell::model::{Model, Screen, Tone};

/// Takes what the executor says.
pub fn take(model: &mut Model, answer: Answer) -> Vec<Effect> {
    match answer {
        Answer::Done(words) => model.say(Tone::Note, words),
        Answer::Failed(words) => model.say(Tone::Error, words),
        Answer::Copied { bytes, words } => {
            model.say(Tone::Note, words);
            if bytes.is_empty() {
                return Vec::new();
            }
            vec![Effect::Terminal(Terminal::Emit(bytes))]
        }
        Answer::Started(name) => started(model, &name),
        Answer::DryRunEnded(ended) => {
            let tone = if ended.is_ok() { Tone::Note } else { Tone::Error };
            let (Ok(words) | Err(words)) = ended;
            let words = clean_line(&words);
            model.launch.dry_run = Some(words.clone());
            model.say(tone, format!("dry run: {words}"))
        }
        Answer::FileExists { path, contents } => prompt::ask_overwrite(model, path, contents),
        Answer::RunsEdited { edited, inverse } => runs::annotate::edited(model, &edited, inverse),
    }
}

fn started(model: &mut Model, name: &str) -> Vec<Effect> {
    model.runs.awaited = Some(name.to_owned());
    model.launch.started = Some(model.launch.command());
    if model.screen == Screen::Launch {
        model.go_to(Screen::Runs);
    }
    model.say(Tone::Note, format!("started {name} · Enter opens it"))
}
