//! How the form is opened, and from what it is filled in.

use super::Launch;
use crate::domain::policy::settings::ObjectiveName;
use crate::domain::run::RunId;
use crate::launch::policy_sets;
use crate::spec;
use crate::spec::form;
use crate::tui::shell::model::{Model, Screen, Tone};

/// Shows the form for a new run, or for a policy that the run rewards; a form that holds edits is shown as
/// it is, since they would be lost.
pub fn open_new(model: &mut Model, from: Option<RunId>, is_policy: bool) {
    if model.launch.holds_edits() {
        model.go_to(Screen::Launch);
        let words = "the form as you left it · R sets it back, t fills it from a run or preset";
        model.say(Tone::Note, words);
    } else {
        fill(model, from, is_policy);
    }
}

/// Shows the form, filled in from a run or from the default spec.
pub fn open(model: &mut Model, from: Option<RunId>) {
    fill(model, from, false);
}

fn fill(model: &mut Model, from: Option<RunId>, wants_policy: bool) {
    let name = from.as_ref().and_then(|run| model.row(run)).map(|row| row.name.clone());
    let mut launch = Launch::new(None);
    launch.known_from(std::mem::take(&mut model.launch));
    launch.is_waiting = from.is_some();
    launch.from_name = name.unwrap_or_default();
    launch.from = from;
    launch.wants_policy = wants_policy;
    model.launch = launch;
    take_template(model);
    model.go_to(Screen::Launch);
}

/// Shows the form with a preset filled in; one that cannot be read leaves the form as it is.
pub fn open_preset(model: &mut Model, name: &str) {
    model.go_to(Screen::Launch);
    let preset = model.launch.presets.iter().find(|preset| preset.name == name).cloned();
    let Some(preset) = preset else {
        model.say(Tone::Error, format!("there is no preset `{name}` any more"));
        return;
    };
    if let Err(error) = form::check(Some(&preset.text), &[], &[]) {
        let words = format!("preset `{name}`: {error}");
        model.say(Tone::Error, words);
        return;
    }
    let launch = Launch::new(Some(preset.text.clone()));
    let before = std::mem::replace(&mut model.launch, launch);
    model.launch.known_from(before);
    model.launch.from_name = format!("preset {name}");
    model.launch.preset = Some(preset.path);
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
    let sets = match &data.spec {
        Some(spec) if model.launch.wants_policy => {
            // From a policy run its own objective is taken.
            let own = spec.policy.as_ref().map(|policy| policy.objective);
            policy_sets(&data.detail.row, spec, own.unwrap_or(ObjectiveName::Rloo))
        }
        _ => Vec::new(),
    };
    let before = std::mem::replace(&mut model.launch, Launch::of_policy(base, sets));
    let (from, from_name) = (before.from.clone(), before.from_name.clone());
    model.launch.known_from(before);
    if is_lost {
        model.say(Tone::Error, "the spec of that run cannot be read: this is the default one");
        return;
    }
    if model.launch.rows.is_empty() {
        let launch = &model.launch;
        let problem = form::check(launch.base.as_deref(), &[], &launch.policy).err();
        let problem = problem.map_or_else(String::new, |error| format!(": {error}"));
        model.say(Tone::Error, format!("no form can be made from `{from_name}`{problem}"));
        return;
    }
    (model.launch.from, model.launch.from_name) = (from, from_name);
}
