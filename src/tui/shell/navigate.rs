//! From screen to screen.

use super::keymap::command::ShowCommand;
use super::model::{Model, Screen};
use crate::domain::run::RunKind;
use crate::tui::screens::{compare, launch, live, policy, samples};

/// Shows the screen a command names, for the current run.
pub fn show(model: &mut Model, command: ShowCommand) {
    let run = match command {
        ShowCommand::Live | ShowCommand::Samples | ShowCommand::Policy => model.to_open(),
        ShowCommand::Runs
        | ShowCommand::Compare
        | ShowCommand::Launch
        | ShowCommand::New
        | ShowCommand::NewPolicy => model.current(),
    };
    let is_policy = run.is_some_and(|row| row.kind == RunKind::Policy);
    match (command, run.map(|row| row.id.clone())) {
        (ShowCommand::Runs, _) => model.go_to(Screen::Runs),
        // A policy has its own curves: those of the live screen would be empty.
        (ShowCommand::Live, Some(run)) if is_policy => policy::open::open(model, run),
        (ShowCommand::Policy, Some(run)) => policy::open::open(model, run),
        (ShowCommand::Policy, None) => model.go_to(Screen::Policy),
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
        (ShowCommand::New, from) => launch::open::open_new(model, from, false),
        (ShowCommand::NewPolicy, from) => launch::open::open_new(model, from, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::RunId;
    use crate::tui::tests::fixtures::{model, twelve_runs};

    fn run_on_screen(model: &Model) -> Option<RunId> {
        model.current().map(|row| row.id.clone())
    }

    #[test]
    fn a_form_that_holds_edits_is_not_filled_anew() {
        let mut model = model(160, 48, twelve_runs(), None);
        show(&mut model, ShowCommand::Launch);
        let at = model.launch.rows.iter().position(|row| row.label() == "train.epochs").unwrap();
        model.launch.set(at, "7");
        show(&mut model, ShowCommand::Runs);
        show(&mut model, ShowCommand::New);
        assert_eq!((model.screen, model.launch.rows[at].value.as_str()), (Screen::Launch, "7"));
        assert!(model.toast.as_ref().unwrap().text.starts_with("the form as you left it"));
        // What was started is no edit any more.
        model.launch.started = Some(model.launch.command());
        show(&mut model, ShowCommand::New);
        assert_ne!(model.launch.rows[at].value, "7");
    }

    #[test]
    fn looking_at_other_runs_does_not_change_the_run_of_the_screens() {
        let mut model = model(160, 48, twelve_runs(), None);
        let ids: Vec<RunId> = model.runs.rows.iter().map(|row| row.id.clone()).collect();
        model.runs.cursor = 2;
        show(&mut model, ShowCommand::Live);
        assert_eq!(run_on_screen(&model).as_ref(), Some(&ids[2]));
        compare::open::open(&mut model, vec![ids[5].clone(), ids[7].clone()]);
        assert_ne!(run_on_screen(&model).as_ref(), Some(&ids[2]), "the column under the cursor");
        show(&mut model, ShowCommand::Samples);
        assert_eq!(run_on_screen(&model).as_ref(), Some(&ids[2]));
        show(&mut model, ShowCommand::Live);
        assert_eq!(run_on_screen(&model).as_ref(), Some(&ids[2]));
        // The list shows which run is selected: choosing there is explicit.
        show(&mut model, ShowCommand::Runs);
        model.runs.cursor = 4;
        show(&mut model, ShowCommand::Samples);
        assert_eq!(run_on_screen(&model).as_ref(), Some(&ids[4]));
        show(&mut model, ShowCommand::Live);
        assert_eq!(run_on_screen(&model).as_ref(), Some(&ids[4]), "both screens show one run");
    }
}
