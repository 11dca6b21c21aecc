//! What choosing something in a popup does.

use crate::tui::screens::{compare, launch, policy, runs};
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::current_run;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::{Overlay, Prompt, Purpose};

/// Does what was chosen.
pub fn take(model: &mut Model, chosen: Chosen) -> Vec<Effect> {
    match chosen {
        Chosen::Arms { runs } => compare::open::open_arms(model, runs),
        Chosen::Marks { runs, what } => return current_run::mark(model, runs, &what),
        Chosen::Ghost(run) => {
            if let Some(live) = &mut model.live {
                live.ghost = run;
            }
        }
        Chosen::Template { from } => launch::open::open(model, from),
        Chosen::Preset(name) => launch::open::open_preset(model, &name),
        Chosen::Arm(name) => launch::update::set_arm(model, &name),
        Chosen::File { name, contents } => {
            let prompt = Prompt::new("write to", Purpose::Save { contents }, &name);
            model.overlay = Some(Overlay::Prompt(prompt));
        }
        Chosen::Judge(matchup) => return policy::judging::update::begin(model, matchup),
        Chosen::Reveal => return policy::judging::update::reveal(model),
        Chosen::Order(key) => runs::update::sort_by(model, key),
    }
    Vec::new()
}
