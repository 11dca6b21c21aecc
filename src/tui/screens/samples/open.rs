//! How the samples screen is opened.

use super::Samples;
use super::judging::Judging;
use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::tui::feed::samples::Find;
use crate::tui::shell::model::{Model, Screen};

/// Shows the pairs that a run scored in a round; `None` follows the latest round. `pair` is the one to
/// begin with.
pub fn open(model: &mut Model, run: RunId, round: Option<u32>, pair: Option<PairId>) {
    model.opened = Some(run.clone());
    let find = pair.map(Find::Pair);
    // What is trained on is what needs a look; a pair that was asked for may be any.
    let filter = if pair.is_some() { "" } else { "selected:yes" }.to_owned();
    let run = Some(run);
    let before = std::mem::take(&mut model.samples);
    let Samples { views, decided, cuts_lines, judging, .. } = before;
    // Who judges and by what stays; what was judged is of the run that was shown.
    let Judging { reviewer, guidelines, step, .. } = judging;
    let judging = Judging { reviewer, guidelines, step, ..Judging::default() };
    let has_diff = true;
    let opened =
        Samples { run, round, filter, find, decided, views, judging, ..Samples::default() };
    model.samples = Samples { cuts_lines, has_diff, ..opened };
    model.go_to(Screen::Samples);
}
