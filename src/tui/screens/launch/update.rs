//! What keys and messages do on the launch screen.

use crate::domain::run::RunId;

use super::keys::LaunchCommand;
use super::view::n_form_rows;
use super::{Launch, RowKey, find};
use crate::spec;
use crate::spec::form;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::Command;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Prompt, Purpose, Then};
use crate::tui::shell::update::{READ_ONLY, moved, say};

/// Runs the template popup offers.
const N_TEMPLATES: usize = 12;

/// Prepares the screen for a run to start from.
pub fn open(model: &mut Model, from: Option<RunId>) {
    let name = from.as_ref().and_then(|run| model.row(run)).map(|row| row.name.clone());
    let mut launch = Launch::new(None);
    launch.known_from(std::mem::take(&mut model.launch));
    launch.is_waiting = from.is_some();
    launch.from_name = name.unwrap_or_default();
    launch.from = from;
    model.launch = launch;
    take_template(model);
}

/// Fills in a preset; one that cannot be read leaves the form as it is.
pub fn open_preset(model: &mut Model, name: &str) -> Vec<Effect> {
    let preset = model.launch.presets.iter().find(|preset| preset.name == name).cloned();
    let Some(preset) = preset else {
        return say(model, Tone::Error, format!("there is no preset `{name}` any more"));
    };
    if let Err(error) = form::check(Some(&preset.text), None, &[]) {
        let words = format!("preset `{name}`: {error}");
        return say(model, Tone::Error, words);
    }
    let launch = Launch::new(Some(preset.text.clone()));
    let before = std::mem::replace(&mut model.launch, launch);
    model.launch.known_from(before);
    model.launch.from_name = format!("preset {name}");
    model.launch.preset = Some(preset.path);
    Vec::new()
}

/// Fills the form once the spec of the run it starts from is here.
pub fn take_template(model: &mut Model) {
    if model.launch.rows.is_empty() {
        let before = std::mem::replace(&mut model.launch, Launch::new(None));
        model.launch.known_from(before);
    }
    if !model.launch.is_waiting {
        return;
    }
    let from = &model.launch.from;
    let data = model.run.as_ref().filter(|data| Some(&data.detail.row.id) == from.as_ref());
    let Some(data) = data else { return };
    let base = data.spec.as_ref().and_then(|spec| spec::to_toml(spec).ok());
    let is_lost = base.is_none();
    let before = std::mem::replace(&mut model.launch, Launch::new(base));
    let (from, from_name) = (before.from.clone(), before.from_name.clone());
    model.launch.known_from(before);
    if is_lost {
        say(model, Tone::Error, "the spec of that run cannot be read: this is the default one");
        return;
    }
    (model.launch.from, model.launch.from_name) = (from, from_name);
}

/// Does a command, `n` times where that means something.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    let effects = match command {
        Command::Launch(command) => on_own(model, command, n),
        Command::Copy => {
            open_copy(model);
            Vec::new()
        }
        _ => {
            let n_rows = model.launch.rows.len();
            model.launch.cursor = moved(model, command, model.launch.cursor, n_rows, n);
            Vec::new()
        }
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
            model.launch.dry_run = Some("running on 200 pairs …".to_owned());
            return vec![Effect::DryRun(model.launch.order().specs)];
        }
        LaunchCommand::Editor => {
            return model.launch.toml().map_or(Vec::new(), |text| vec![Effect::Edit { text }]);
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
    let effect = Effect::Launch(model.launch.order());
    let n_runs = model.launch.n_runs();
    if n_runs == 1 {
        say(model, Tone::Note, "starting: the data is checked first …");
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
        say(model, Tone::Refused, "this value has to be typed: Enter edits it");
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
    let fits = |choice: &&String| choice.starts_with(text) && *choice != text;
    (problem, row.choices.iter().filter(fits).cloned().collect())
}

fn open_copy(model: &mut Model) {
    let item = |key, label: &str, text: String| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail: text.lines().next().unwrap_or_default().to_owned(),
        then: Then::Effect(Effect::Copy { what: format!("the {label}"), text }),
    };
    let items = vec![
        item('y', "command", model.launch.command()),
        item('t', "spec as TOML", model.launch.toml().unwrap_or_default()),
    ];
    model.overlay = Some(Overlay::Choice(Choice { title: "copy".to_owned(), items, cursor: 0 }));
}

/// Recipes and past runs to start from.
fn open_templates(model: &mut Model) {
    let open = |from| Then::Message(Box::new(Message::OpenLaunch { from }));
    let mut items = vec![ChoiceItem {
        key: Some('d'),
        label: "the default experiment".to_owned(),
        detail: "embedded model and pairs".to_owned(),
        then: open(None),
    }];
    for arm in form::arms() {
        items.push(ChoiceItem {
            key: arm.chars().next().filter(|c| *c != 's'),
            label: format!("arm {arm}"),
            detail: "the keys of this recipe over what is filled in".to_owned(),
            then: Then::Message(Box::new(Message::SetArm(arm.to_owned()))),
        });
    }
    for preset in &model.launch.presets {
        items.push(ChoiceItem {
            key: None,
            label: format!("preset {}", preset.name),
            detail: preset.path.display().to_string(),
            then: Then::Message(Box::new(Message::OpenPreset(preset.name.clone()))),
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
        Ok(()) => say(model, Tone::Note, "the form has the values of the file"),
        Err(error) => say(model, Tone::Error, error),
    }
}

/// Scrolls so that the selected row is shown.
pub fn scroll_into_view(model: &mut Model) {
    let n_rows = n_form_rows(model.size);
    let launch = &mut model.launch;
    let lowest = (launch.cursor + 1).saturating_sub(n_rows);
    launch.offset = launch.offset.clamp(lowest, launch.cursor.max(lowest));
}

/// Why a command cannot act now.
pub fn refusal(model: &Model, command: Command) -> Option<String> {
    let Command::Launch(command) = command else { return None };
    if model.launch.is_waiting {
        return Some("the spec of that run is still being read".to_owned());
    }
    let starts = matches!(command, LaunchCommand::Start | LaunchCommand::DryRun);
    if starts && model.is_read_only {
        return Some(READ_ONLY.to_owned());
    }
    let needs_spec = starts || matches!(command, LaunchCommand::Editor | LaunchCommand::SavePreset);
    if needs_spec {
        return model.launch.problem();
    }
    let row = model.launch.rows.get(model.launch.cursor)?;
    match command {
        LaunchCommand::Reset if !row.is_changed() => Some(format!("{} is as it was", row.label())),
        LaunchCommand::ResetAll if !model.launch.rows.iter().any(super::FormRow::is_changed) => {
            Some("nothing was changed".to_owned())
        }
        _ => None,
    }
}
