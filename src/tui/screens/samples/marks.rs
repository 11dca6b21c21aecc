//! Marks: the pairs that the next decision is about.

use std::collections::BTreeSet;

use crate::domain::preference::PairId;
use crate::domain::run::RunId;

use crate::tui::feed::samples::Request;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::{Model, Tone};

/// Marks the pair under the cursor, or not any more, and goes to the next.
pub fn mark(model: &mut Model) {
    let Some(pair) = model.samples.selected() else { return };
    if !model.samples.marked.remove(&pair) {
        model.samples.marked.insert(pair);
    }
    let n_listed = model.samples.current().map_or(0, |data| data.n_listed);
    let next = model.samples.cursor + 1;
    if next < n_listed {
        model.samples.go(next);
    }
}

/// Marks the lines of the list that were read.
pub fn mark_all(model: &mut Model) {
    let lines = model.samples.current().map_or(&[][..], |data| &data.lines);
    let pairs: Vec<PairId> = lines.iter().map(|line| line.pair).collect();
    model.samples.marked.extend(pairs);
}

/// Begins a range at the cursor, or marks what lies between there and the cursor.
pub fn toggle_range(model: &mut Model) {
    let samples = &mut model.samples;
    let Some(from) = samples.range_from.take() else {
        samples.range_from = Some(samples.cursor);
        model.say(Tone::Note, "range: move to its other end · v marks it · Esc leaves it");
        return;
    };
    let (low, high) = (from.min(samples.cursor), from.max(samples.cursor));
    let Some(data) = samples.current() else { return };
    let pairs: BTreeSet<PairId> =
        (low..=high).filter_map(|index| data.line(index)).map(|line| line.pair).collect();
    let n = pairs.len();
    samples.marked.extend(pairs);
    let words = if n == high - low + 1 {
        format!("{n} marked")
    } else {
        format!("{n} marked: a longer range is a filter and X or A")
    };
    model.say(Tone::Note, words);
}

/// Asks for the near-duplicates of the pair under the cursor.
pub fn find_like(model: &mut Model) -> Vec<Effect> {
    let samples = &model.samples;
    let (Some(run), Some(pair)) = (samples.run.clone(), samples.selected()) else {
        return Vec::new();
    };
    model.say(Tone::Note, format!("looking for near-duplicates of {pair} …"));
    vec![Effect::Samples(Request::FindLike { run, pair })]
}

/// Marks a pair and its near-duplicates.
pub fn mark_like(model: &mut Model, run: &RunId, pair: PairId, found: Vec<PairId>) {
    if model.samples.run.as_ref() != Some(run) {
        return;
    }
    if found.is_empty() {
        let words = format!("no other pair of this round is nearly the same as {pair}");
        model.say(Tone::Refused, words);
        return;
    }
    let n = found.len();
    model.samples.marked.insert(pair);
    model.samples.marked.extend(found);
    let noun = if n == 1 { "near-duplicate" } else { "near-duplicates" };
    let words = format!("{pair} and {n} {noun} marked · x a f decide · / like:{pair} lists them");
    model.say(Tone::Note, words);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{press, run, samples_at};
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::tui::feed::samples::{Found, Target};
    use crate::tui::shell::message::Message;
    use crate::tui::shell::model::Screen;
    use crate::tui::shell::update::update;
    use crate::tui::tests::drive::toast;
    use crate::tui::tests::pictures::{draw, picture};

    #[test]
    fn near_duplicates_are_marked_and_decided_in_one_step() {
        let mut model = samples_at(80, 24);
        let pair = model.samples.selected().unwrap();
        let effects = press(&mut model, &["D"]);
        assert_eq!(effects, [Effect::Samples(Request::FindLike { run: run(), pair })]);
        let like = |found| Message::Samples(Found::Like { run: run(), pair, found });
        update(&mut model, like(Vec::new()));
        assert_eq!(toast(&model).1, Tone::Refused);
        assert!(model.samples.marked.is_empty());
        let others = [PairId(5), PairId(70_001)];
        update(&mut model, like(others.to_vec()));
        assert!(toast(&model).0.contains("2 near-duplicates marked"), "{}", toast(&model).0);
        assert!(picture(&draw(&model)).contains("3 marked"), "{}", picture(&draw(&model)));
        let marked = [others[0], pair, others[1]];
        let decided = Effect::Samples(Request::Decide {
            run: run(),
            target: Target::Pairs(marked.to_vec()),
            verdict: Verdict::Veto,
            queue: None,
            judged: None,
        });
        assert_eq!(press(&mut model, &["x"]), [decided]);
    }

    #[test]
    fn esc_leaves_a_range_and_a_zoomed_pane_before_the_screen() {
        let mut model = samples_at(80, 24);
        press(&mut model, &["v", "j", "z", "Esc"]);
        assert!(model.samples.range_from.is_none() && model.samples.is_zoomed);
        press(&mut model, &["Esc"]);
        assert!(!model.samples.is_zoomed);
        press(&mut model, &["Esc"]);
        assert_eq!(model.screen, Screen::Runs);
    }
}
