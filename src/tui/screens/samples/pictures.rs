//! Pictures of the screen in every size.

use super::tests::{answer, press, run, samples_at};
use crate::domain::pool::Origin;
use crate::tui::feed::samples::{Found, SamplesData};
use crate::tui::shell::message::Message;
use crate::tui::shell::model::Model;
use crate::tui::shell::update::update;
use crate::tui::tests::drive::key;
use crate::tui::tests::fixtures::{model, running_data, twelve_runs};
use crate::tui::tests::pictures;

/// Compares the pictures of the screen in every size.
pub fn snapshots(name: &str, make: impl Fn(u16, u16) -> Model) {
    pictures::snapshots(&format!("samples_{name}"), make);
}

#[test]
fn pictures_of_every_state() {
    snapshots("list", samples_at);
    snapshots("decided", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["4", "j", "Space", "V", "Esc", "L"]);
        model
    });
    snapshots("audit", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["Q"]);
        model
    });
    snapshots("bulk", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["X"]);
        model
    });
    snapshots("views", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["V"]);
        model
    });
    snapshots("zoomed", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["Tab", "Tab", "z"]);
        model
    });
}

#[test]
fn pictures_of_what_is_not_there() {
    snapshots("reading", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        update(&mut model, key("3"));
        model
    });
    snapshots("none", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        update(&mut model, key("3"));
        update(&mut model, Message::Samples(Found::Nothing(run())));
        model
    });
    snapshots("failed", |width, height| {
        let mut model = samples_at(width, height);
        let words = "`/home/x/ser.db` is damaged · `ser doctor` says more".to_owned();
        update(&mut model, Message::Samples(Found::Failed(words)));
        model
    });
    snapshots("no_match", |width, height| {
        let mut model = samples_at(width, height);
        let wanted = model.samples.asked.clone().unwrap();
        let data = SamplesData { n_listed: 0, lines: Vec::new(), pair: None, ..answer(&wanted) };
        update(&mut model, Message::Samples(Found::Data(Box::new(data))));
        model
    });
}

#[test]
fn pictures_of_the_pairs_of_a_policy() {
    snapshots("of_a_policy", |width, height| {
        let mut model = samples_at(width, height);
        let wanted = model.samples.asked.clone().unwrap();
        let mut data = answer(&wanted);
        let origin =
            || Origin { policy: "rloo-s1".into(), digest: "3f9a02c4de11".into(), round: 2 };
        data.lines.iter_mut().step_by(2).for_each(|line| line.origin = Some(origin()));
        data.pair.as_mut().unwrap().sample.origin = Some(origin());
        update(&mut model, Message::Samples(Found::Data(Box::new(data))));
        model
    });
}
