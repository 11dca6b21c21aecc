//! What a screen shows as a file or on the clipboard. The text is what the command line prints, so
//! that the two never tell different stories.

use crate::analysis::RoundChoice;
use crate::domain::review::Order;
use crate::domain::run::RunId;
use crate::domain::spec::TuningName;
use crate::report::listing::samples::SampleList;
use crate::report::listing::{Listing, Printed};
use crate::report::table::Form;
use crate::report::{ImageForm, Picture};

use super::chosen::Chosen;
use super::effect::Effect;
use super::model::{Model, Screen};
use super::overlay::{Choice, ChoiceItem, Overlay, Then};
use crate::tui::feed::change::{Change, Contents};
use crate::tui::kit::command_line::command_line;

/// Most pairs in a file: each is read with its texts.
const N_PAIRS_MAX: usize = 10_000;

/// What the screen shows, as the command line would list it.
pub fn listing_of(model: &Model) -> Option<Listing> {
    match model.screen {
        Screen::Runs => Some(Listing::Runs { filter: model.runs.filter_text.trim().to_owned() }),
        Screen::Live => Some(Listing::Rounds { run: model.current()?.id.clone() }),
        Screen::Samples => {
            let data = model.samples.current()?;
            let order = model.samples.order;
            // A filtered audit would not be random.
            let filter = if order == Order::Audit { "" } else { &model.samples.filter };
            Some(Listing::Samples(SampleList {
                run: data.run.clone(),
                round: Some(data.round),
                filter: filter.to_owned(),
                order,
                offset: 0,
                limit: data.n_listed.min(N_PAIRS_MAX),
                shows_gold: false,
            }))
        }
        Screen::Compare | Screen::Launch | Screen::Policy => None,
    }
}

/// What a list is called, and the command that prints it.
pub fn command_of(listing: &Listing) -> (&'static str, Vec<String>) {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match listing {
        Listing::Runs { filter } => {
            let mut args = words(&["runs"]);
            if !filter.is_empty() {
                args.push(format!("--filter={filter}"));
            }
            ("runs", args)
        }
        Listing::Rounds { run } => ("rounds", words(&["rounds", run.as_str()])),
        Listing::Samples(list) => {
            let mut args = words(&["samples", list.run.as_str()]);
            args.extend(list.round.map(|round| format!("--round={round}")));
            args.push(match list.order.queue() {
                Some(queue) => format!("--queue={}", queue.name()),
                None => format!("--order={}", list.order.name().replace('_', "-")),
            });
            if !list.filter.is_empty() {
                args.push(format!("--filter={}", list.filter));
            }
            args.push(format!("--limit={}", list.limit));
            ("samples", args)
        }
        Listing::Compared(list) => {
            let runs = list.query.runs.iter().map(ToString::to_string);
            let mut args: Vec<String> = ["compare".to_owned()].into_iter().chain(runs).collect();
            args.extend(list.query.runs.get(list.query.base).map(|base| format!("--base={base}")));
            if list.query.rounds == RoundChoice::Best {
                args.push("--best".to_owned());
            }
            ("compare", args)
        }
    }
}

/// The table as Markdown for the clipboard, and the command that prints it.
pub fn copy_items(model: &Model) -> Vec<ChoiceItem> {
    let Some(listing) = listing_of(model) else { return Vec::new() };
    let (name, args) = command_of(&listing);
    let command = command_line(&args);
    let item = |key, label: &str, detail: String, change| ChoiceItem {
        key: Some(key),
        label: label.to_owned(),
        detail,
        then: Then::Effect(Effect::Change(change)),
    };
    let printed = Printed { listing, form: Form::Markdown };
    let markdown = Change::CopyPrinted { what: format!("{name} as Markdown"), printed };
    let list = Change::Copy { what: "the command".to_owned(), text: command.clone() };
    vec![
        item('m', "table as Markdown", format!("what `{command} --md` prints"), markdown),
        item('l', "command of the table", command, list),
    ]
}

/// Asks in which form, then under which name.
pub fn open(model: &mut Model) {
    if model.screen == Screen::Policy {
        open_policy(model);
        return;
    }
    let Some(listing) = listing_of(model) else { return };
    let (name, args) = command_of(&listing);
    let item = |key: char, ending: &str, form: Form| {
        let detail = command_line(&[args.as_slice(), &[format!("--{ending}")]].concat());
        let name = format!("{name}.{ending}");
        let contents = Contents::Printed(Printed { listing: listing.clone(), form });
        ChoiceItem {
            key: Some(key),
            label: name.clone(),
            detail,
            then: Then::Chosen(Chosen::File { name, contents }),
        }
    };
    let mut items = vec![
        item('m', "md", Form::Markdown),
        item('c', "csv", Form::Csv),
        item('j', "json", Form::Json),
    ];
    items.extend(pictures(model));
    items.extend(report_item(model));
    let title = "export".to_owned();
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

/// What of a policy can be written: its weights, its answers, its report.
fn open_policy(model: &mut Model) {
    let Some(row) = model.current() else { return };
    let spec = model.current_data().and_then(|data| data.spec.as_ref());
    let has_adapter = spec.is_some_and(|spec| spec.model.tuning == TuningName::Lora);
    let run = row.id.clone();
    let item = |key, name: String, detail: &str, contents| ChoiceItem {
        key: Some(key),
        label: name.clone(),
        detail: detail.to_owned(),
        then: Then::Chosen(Chosen::File { name, contents }),
    };
    let weights = |is_adapter| Contents::Policy { run: run.clone(), is_adapter };
    let mut items = vec![item(
        'm',
        format!("{}-model", row.name),
        "the policy as a directory that transformers loads",
        weights(false),
    )];
    if has_adapter {
        let name = format!("{}-adapter", row.name);
        items.push(item('a', name, "its low-rank updates as a PEFT adapter", weights(true)));
    }
    items.push(item(
        'r',
        "rollouts.jsonl".to_owned(),
        "every answer with its numbers; Parquet: ser export",
        Contents::Rollouts { run: run.clone() },
    ));
    items.extend(report_item(model));
    let title = "export".to_owned();
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

/// The charts of the live screen.
fn pictures(model: &Model) -> Vec<ChoiceItem> {
    let Some(row) = model.current().filter(|_| model.screen == Screen::Live) else {
        return Vec::new();
    };
    let keys = ['a', 'p', 'l', 'r', 'i'].into_iter().zip(Picture::ALL);
    let of_form = |form| {
        keys.clone().map(move |(key, picture)| {
            let contents = Contents::Picture { run: row.id.clone(), picture, form };
            picture_item(key, picture.name(), picture.words(), form, contents)
        })
    };
    ImageForm::ALL.into_iter().flat_map(of_form).collect()
}

/// A chart as a file: the key as it is for an SVG, in upper case for a PNG.
pub fn picture_item(
    key: char,
    name: &str,
    words: &str,
    form: ImageForm,
    contents: Contents,
) -> ChoiceItem {
    let name = format!("{name}.{}", form.ending());
    let (key, detail) = match form {
        ImageForm::Svg => (key, words.to_owned()),
        ImageForm::Png => (key.to_ascii_uppercase(), format!("in pixels: {words}")),
    };
    let then = Then::Chosen(Chosen::File { name: name.clone(), contents });
    ChoiceItem { key: Some(key), label: name, detail, then }
}

/// The HTML report of the runs that the screen is about: the compared ones, the marked ones in the
/// list, else the current one.
pub fn report_item(model: &Model) -> Option<ChoiceItem> {
    let marked = model.runs.all().filter(|row| model.runs.marked.contains(&row.id));
    let runs: Vec<RunId> = match model.screen {
        Screen::Compare => model.compare.runs.clone(),
        Screen::Runs if !model.runs.marked.is_empty() => marked.map(|row| row.id.clone()).collect(),
        _ => vec![model.current()?.id.clone()],
    };
    let detail = match runs.as_slice() {
        [] => return None,
        [run] => format!("the report of {}, for a browser", model.row(run)?.name),
        runs => format!("the report of {} runs side by side, for a browser", runs.len()),
    };
    let (name, contents) = ("report.html".to_owned(), Contents::Report { runs });
    let then = Then::Chosen(Chosen::File { name: name.clone(), contents });
    Some(ChoiceItem { key: Some('h'), label: name, detail, then })
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
        let Purpose::Save { contents: Contents::Printed(printed) } = &prompt.purpose else {
            panic!()
        };
        let listing = Listing::Runs { filter: "st:done".to_owned() };
        assert_eq!(command_of(&listing).1, ["runs", "--filter=st:done"]);
        assert_eq!(*printed, Printed { listing, form: Form::Csv });
        let effects = press(&mut model, &["Enter"]);
        assert!(
            matches!(&effects[..], [Effect::Change(Change::Save { path, .. })] if path.ends_with("runs.csv"))
        );
        let effects = press(&mut model, &["Enter", "y", "m"]);
        let [Effect::Change(Change::CopyPrinted { printed, .. })] = &effects[..] else {
            panic!("{effects:?}")
        };
        assert!(matches!(printed.listing, Listing::Rounds { .. }));
        assert_eq!(printed.form, Form::Markdown);
    }
}
