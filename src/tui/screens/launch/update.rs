//! What keys and messages do on the launch screen.

use super::command::LaunchCommand;
use super::layout::scroll_into_view;
use super::{FormRow, RowKey, find};
use crate::spec;
use crate::tui::feed::change::Change;
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::{Effect, Terminal};
use crate::tui::shell::keymap::command::Command;
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Prompt, Purpose, Then};

/// Runs the template popup offers.
const N_TEMPLATES: usize = 12;

/// Does a command, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let effects = match command {
        Command::Launch(command) => on_own(model, command, n),
        Command::Copy => {
            open_copy(model);
            Vec::new()
        }
        Command::Move(motion) => {
            let n_rows = model.launch.rows.len();
            model.launch.cursor = model.moved(motion, model.launch.cursor, n_rows, n);
            Vec::new()
        }
        Command::Wrap => current_run::wrap_events(model),
        Command::Show(_)
        | Command::Viewer(_)
        | Command::Popup(_)
        | Command::List(_)
        | Command::Pane(_)
        | Command::Worker(_)
        | Command::Undo
        | Command::Redo
        | Command::Runs(_)
        | Command::Live(_)
        | Command::Samples(_)
        | Command::Compare(_)
        | Command::Policy(_)
        | Command::Judging(_) => Vec::new(),
    };
    scroll_into_view(model);
    effects
}

fn on_own(model: &mut Model, command: LaunchCommand, n: usize) -> Vec<Effect> {
    match command {
        LaunchCommand::Edit => open_field(model),
        LaunchCommand::Next => step(model, n as i64),
        LaunchCommand::Previous => step(model, -(n as i64)),
        LaunchCommand::Reset => {
            let at = model.launch.cursor;
            let before = model.launch.rows.get(at).map(|row| row.before.clone());
            model.launch.set(at, &before.unwrap_or_default());
        }
        LaunchCommand::ResetAll => {
            for row in &mut model.launch.rows {
                row.value.clone_from(&row.before);
            }
            model.launch.check();
        }
        LaunchCommand::Start => return start(model),
        LaunchCommand::DryRun => {
            let Some(spec) = model.launch.toml() else { return Vec::new() };
            model.launch.dry_run = Some("running on 200 pairs …".to_owned());
            return vec![Effect::Change(Change::DryRun { spec })];
        }
        LaunchCommand::Editor => {
            return model
                .launch
                .commented()
                .map_or(Vec::new(), |text| vec![Effect::Terminal(Terminal::Edit { text })]);
        }
        LaunchCommand::SavePreset => {
            let contents = model.launch.toml().unwrap_or_default();
            let name = model.launch.rows.first().map_or("", |row| &row.value).to_owned();
            let title = "preset name (or a path)";
            let prompt = Prompt::new(title, Purpose::Preset { contents }, &name);
            model.overlay = Some(Overlay::Prompt(prompt));
        }
        LaunchCommand::Find => find::open(model),
        LaunchCommand::FindNext => find::next(model, n),
        LaunchCommand::Template => open_templates(model),
    }
    Vec::new()
}

/// Starts the runs; several ask first.
fn start(model: &mut Model) -> Vec<Effect> {
    let effect = Effect::Change(Change::Launch(model.launch.request()));
    let n_runs = model.launch.n_runs();
    if n_runs == 1 {
        model.say(Tone::Note, "starting: the data is checked first …");
        return vec![effect];
    }
    model.overlay = Some(Overlay::Confirm {
        question: format!("start {n_runs} runs?"),
        detail: "one for each arm and random seed; they wait for a free slot in turn".to_owned(),
        then: Then::Effect(effect),
    });
    Vec::new()
}

/// The next value in the list of a row, or the number next to it.
fn step(model: &mut Model, by: i64) {
    let at = model.launch.cursor;
    let Some(row) = model.launch.rows.get(at) else { return };
    let value = if let Ok(number) = row.value.parse::<i64>() {
        number.saturating_add(by).max(0).to_string()
    } else if row.choices.is_empty() {
        model.say(Tone::Refused, "this value has to be typed: Enter edits it");
        return;
    } else {
        let n = row.choices.len() as i64;
        let now = row.choices.iter().position(|choice| *choice == row.value);
        let next = now.map_or(0, |now| (now as i64 + by).rem_euclid(n));
        row.choices[next as usize].clone()
    };
    model.launch.set(at, &value);
}

fn open_field(model: &mut Model) {
    let at = model.launch.cursor;
    let Some(row) = model.launch.rows.get(at) else { return };
    let purpose = Purpose::LaunchField { at, before: row.value.clone() };
    let mut prompt = Prompt::new(row.label(), purpose, &row.value);
    prompt.completions.clone_from(&row.choices);
    model.overlay = Some(Overlay::Prompt(prompt));
}

/// The text of a row has changed; what is wrong with it.
pub fn on_field(model: &mut Model, at: usize, text: &str) -> (Option<String>, Vec<String>) {
    model.launch.set(at, text);
    let Some(row) = model.launch.rows.get(at) else { return (None, Vec::new()) };
    let problem = row.problem.clone().or_else(|| match &model.launch.checked {
        Some(Err(error)) => Some(error.clone()),
        _ => None,
    });
    (problem, completions(row, text))
}

/// What Tab offers: the values that go on from the text; of a list the last word goes on, and words
/// that stand there already are not offered again.
fn completions(row: &FormRow, text: &str) -> Vec<String> {
    let head = match text.rfind(',') {
        Some(at) if row.key == RowKey::Arms => &text[..=at],
        _ => "",
    };
    let word = text[head.len()..].trim_start();
    let listed = |choice: &str| head.split(',').any(|known| known.trim() == choice);
    let fits = |choice: &&String| choice.starts_with(word) && *choice != word && !listed(choice);
    let whole = |choice: &String| {
        if head.is_empty() { choice.clone() } else { format!("{head} {choice}") }
    };
    row.choices.iter().filter(fits).map(whole).collect()
}

fn open_copy(model: &mut Model) {
    let item = |key, label: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: text.lines().next().unwrap_or_default().to_owned(),
        then: Then::Effect(Effect::Change(Change::Copy { what: format!("the {label}"), text })),
    };
    let items = vec![
        item('y', "command", model.launch.command()),
        item('t', "spec as TOML", model.launch.toml().unwrap_or_default()),
    ];
    model.overlay = Some(Overlay::Choice(Choice { title: "copy".to_owned(), items, cursor: 0 }));
}

/// Recipes and past runs to start from.
fn open_templates(model: &mut Model) {
    let open = |from| Then::Chosen(Chosen::Template { from });
    let mut items = vec![ChoiceItem {
        key: Some('d'),
        label: "the default experiment".to_owned(),
        detail: "embedded model and pairs".to_owned(),
        then: open(None),
    }];
    for arm in spec::arms() {
        items.push(ChoiceItem {
            key: arm.chars().next().filter(|c| *c != 's'),
            label: format!("arm {arm}"),
            detail: "the keys of this arm over what is filled in".to_owned(),
            then: Then::Chosen(Chosen::Arm(arm.to_owned())),
        });
    }
    for preset in &model.launch.presets {
        items.push(ChoiceItem {
            key: None,
            label: format!("preset {}", preset.name),
            detail: preset.path.display().to_string(),
            then: Then::Chosen(Chosen::Preset(preset.name.clone())),
        });
    }
    for row in model.runs.rows.iter().take(N_TEMPLATES) {
        items.push(ChoiceItem {
            key: None,
            label: row.name.clone(),
            detail: format!("run {} · {}", row.id, row.arm),
            then: open(Some(row.id.clone())),
        });
    }
    let title = "start from".to_owned();
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

/// Fills in a recipe.
pub fn set_arm(model: &mut Model, arm: &str) {
    let at = model.launch.rows.iter().position(|row| row.key == RowKey::Arms);
    if let Some(at) = at {
        model.launch.set(at, arm);
        model.launch.cursor = at;
    }
}

/// The spec comes back from the editor.
pub fn on_edited(model: &mut Model, text: &str) -> Vec<Effect> {
    match model.launch.take_toml(text) {
        Ok(()) => model.say(Tone::Note, "the form has the values of the file"),
        Err(error) => model.say(Tone::Error, error),
    }
}
