//! From screen to screen.

use super::keymap::command::ShowCommand;
use super::model::{Model, Screen};
use crate::tui::screens::{compare, launch, live, samples};

/// Shows the screen a command names, for the current run.
pub fn show(model: &mut Model, command: ShowCommand) {
    let run = model.current().map(|row| row.id.clone());
    match (command, run) {
        (ShowCommand::Runs, _) => model.go_to(Screen::Runs),
        (ShowCommand::Live, Some(run)) => live::open::open(model, run),
        (ShowCommand::Samples, Some(run)) => {
            // Coming back finds the screen as it was left.
            let held = model.current().filter(|row| row.waits_for_review()).map(|row| row.round);
            // A round that waits for a review is what is looked for, whatever was left here.
            let is_fitting = held.is_none_or(|round| {
                model.screen == Screen::Samples || model.samples.round.is_none_or(|it| it == round)
            });
            if model.samples.run.as_ref() == Some(&run) && is_fitting {
                model.go_to(Screen::Samples);
            } else {
                samples::open::open(model, run, held, None);
            }
        }
        (ShowCommand::Live | ShowCommand::Samples, None) => {}
        (ShowCommand::Compare, _) => {
            if model.runs.marked.is_empty() && !model.compare.runs.is_empty() {
                model.go_to(Screen::Compare);
            } else {
                let rows = model.runs.all();
                let marked = rows.filter(|row| model.runs.marked.contains(&row.id));
                let runs = marked.map(|row| row.id.clone()).collect();
                compare::open::open(model, runs);
            }
        }
        (ShowCommand::Launch, _) => {
            launch::open::take_template(model);
            model.go_to(Screen::Launch);
        }
        (ShowCommand::New, from) => launch::open::open(model, from),
    }
}
