//! What a screen shows as a file or on the clipboard. The text is what the command line prints, so
//! that the two never tell different stories.

use crate::domain::review::Order;

use super::chosen::Chosen;
use super::effect::Effect;
use super::model::{Model, Screen};
use super::overlay::{Choice, ChoiceItem, Overlay, Then};
use crate::tui::feed::change::{Change, Contents};
use crate::tui::kit::command_line::command_line;

/// Most pairs in a file: each is read with its texts.
const N_PAIRS_MAX: usize = 10_000;

/// The command whose output says what the screen shows: its name, and the arguments of `ser`.
pub fn command_of(model: &Model) -> Option<(&'static str, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match model.screen {
        Screen::Runs => {
            let mut args = words(&["runs"]);
            let filter = model.runs.filter_text.trim();
            if !filter.is_empty() {
                args.push(format!("--filter={filter}"));
            }
            Some(("runs", args))
        }
        Screen::Live => {
            let run = model.current()?.id.clone();
            Some(("rounds", words(&["rounds", run.as_str()])))
        }
        Screen::Samples => {
            let data = model.samples.current()?;
            let mut args = words(&["samples", data.run.as_str()]);
            args.push(format!("--round={}", data.round));
            let order = model.samples.order;
            match order.queue() {
                Some(queue) => args.push(format!("--queue={}", queue.name())),
                None => args.push(format!("--order={}", order.name().replace('_', "-"))),
            }
            if !model.samples.filter.is_empty() && order != Order::Audit {
                args.push(format!("--filter={}", model.samples.filter));
            }
            args.push(format!("--limit={}", data.n_listed.min(N_PAIRS_MAX)));
            Some(("samples", args))
        }
        Screen::Compare | Screen::Launch => None,
    }
}

/// The table as Markdown for the clipboard, and the command that prints it.
pub fn copy_items(model: &Model) -> Vec<ChoiceItem> {
    let Some((name, args)) = command_of(model) else { return Vec::new() };
    let command = command_line(&args);
    let mut markdown = args;
    markdown.push("--md".to_owned());
    let item = |key, label: &str, detail: String, change| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail,
        then: Then::Effect(Effect::Change(change)),
    };
    let printed = Change::CopyPrinted { what: format!("{name} as Markdown"), args: markdown };
    let list = Change::Copy { what: "the command".to_owned(), text: command.clone() };
    vec![
        item('m', "table as Markdown", format!("what `{command} --md` prints"), printed),
        item('l', "command of the table", command, list),
    ]
}

/// Asks in which form, then under which name.
pub fn open(model: &mut Model) {
    let Some((name, args)) = command_of(model) else { return };
    let item = |key: char, ending: &str, switch: &str| {
        let mut args = args.clone();
        args.push(switch.to_owned());
        let detail = command_line(&args);
        let name = format!("{name}.{ending}");
        let contents = Contents::Printed(args);
        ChoiceItem {
            key: Some(key),
            label: name.clone(),
            detail,
            then: Then::Chosen(Chosen::File { name, contents }),
        }
    };
    let items =
        vec![item('m', "md", "--md"), item('c', "csv", "--csv"), item('j', "json", "--json")];
    let title = "export".to_owned();
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::shell::overlay::Purpose;
    use crate::tui::tests::drive::press;
    use crate::tui::tests::fixtures::{model, running_data, twelve_runs};

    #[test]
    fn what_is_shown_is_written_as_the_command_prints_it() {
        let mut model = model(80, 24, twelve_runs(), Some(running_data()));
        press(&mut model, &["/", "s", "t", ":", "d", "o", "n", "e", "Enter", "e", "c"]);
        let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!() };
        let Purpose::Save { contents: Contents::Printed(args) } = &prompt.purpose else { panic!() };
        assert_eq!(args, &["runs", "--filter=st:done", "--csv"]);
        let effects = press(&mut model, &["Enter"]);
        assert!(
            matches!(&effects[..], [Effect::Change(Change::Save { path, .. })] if path.ends_with("runs.csv"))
        );
        let effects = press(&mut model, &["Enter", "y", "m"]);
        let [Effect::Change(Change::CopyPrinted { args, .. })] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert_eq!((args[0].as_str(), args[2].as_str()), ("rounds", "--md"));
    }
}
