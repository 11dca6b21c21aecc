//! `--format hf` and `--format peft`: the reward model of a round.

use super::super::{CliError, CliResult, Context};
use super::{Target, card, parity, say_done};
use crate::cli::model::scorer::RoundArgs;
use crate::domain::spec::Tuning;
use crate::domain::text::words;
use crate::engine::export::MARKER;
use crate::engine::export::TrainedModel;
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{EngineError, OpenSettings};
use crate::scorer::trained;
use crate::store::Store;

/// Writes a round's model, or its adapter.
///
/// # Errors
/// When the weights are not kept, the base model is not there any more, or a file cannot be
/// written.
pub fn export(
    context: &Context,
    store: &Store,
    run: &str,
    round: RoundArgs,
    target: &Target,
    is_adapter: bool,
) -> CliResult {
    let found = trained::find(store, run, round.wanted())?;
    let settings = OpenSettings::of_spec(&found.spec);
    // Before the model is opened, which takes its time.
    if is_adapter && !matches!(settings.tuning, Tuning::Lora(_)) {
        return Err(EngineError::NoAdapter.into());
    }
    let model = TrainedModel::open(&settings, &found.checkpoint)?;
    let exported = target.directory(|dir| -> CliResult<_> {
        let exported = if is_adapter {
            model.write_adapter(dir, target.place())?
        } else {
            model.write_model(dir)?
        };
        let has_template = dir.join("chat_template.jinja").is_file();
        let contents = card::Contents { is_adapter, has_template };
        let marker = card::marker(&found, &exported, contents);
        let prints_the_day = model.chat_template().is_some_and(ChatTemplate::prints_the_day);
        // A reward of another day could not be compared.
        let examples = if prints_the_day {
            Vec::new()
        } else {
            parity::examples(store, &found, &exported, has_template)?
        };
        for (name, text) in [
            (MARKER, serde_json::to_string_pretty(&marker)? + "\n"),
            ("README.md", card::readme(&found, &exported, contents, &examples)),
        ] {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|error| CliError::io("write", &path, &error))?;
        }
        Ok(exported)
    })?;
    if exported.padding.is_none() {
        context.say(
            "note: the base model has no room for a token to pad with: score one text at a time, and \
             set no padding token; `--format hf` writes a model that has one",
        );
    }
    let what = if is_adapter { "adapter" } else { exported.class };
    let (round, name) = (found.row.round, &found.run.name);
    let n = words::count(exported.n_parameters);
    say_done(context, target, &format!("round {round} of `{name}`: {what}, {n} parameters"));
    Ok(())
}
