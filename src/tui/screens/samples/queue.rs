//! Judging the pairs of a queue: a person says which answer is better by where it stands, and learns
//! afterwards what the model says.

use crate::domain::preference::{PairId, Side};
use crate::domain::review::columns::side_of;
use crate::domain::review::{Choice, left_side};
use crate::domain::verdict::Verdict;

use super::judging::Last;
use super::{Samples, queue_words};
use crate::tui::feed::samples::{Find, Judged, Request, Target};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::{Model, Tone};

impl Samples {
    /// Whether a queue is worked through.
    pub fn is_queue(&self) -> bool {
        self.order.queue().is_some()
    }

    /// The answer of a pair that stands on the left: `a` in a list, either one in a queue.
    pub fn left(&self, pair: PairId) -> Side {
        match &self.run {
            Some(run) if self.is_queue() => left_side(run, &self.judging.reviewer, pair),
            _ => Side::A,
        }
    }

    /// Whether the model's side of a pair is hidden: in a queue, until this reviewer has judged it.
    pub fn hides(&self, pair: PairId) -> bool {
        self.is_queue() && !self.judging.shows_model && !self.is_judged(pair)
    }

    /// Whether this reviewer has judged a pair of the lines that were read.
    pub fn is_judged(&self, pair: PairId) -> bool {
        self.current().is_some_and(|data| data.judged.contains(&pair))
    }

    /// Whether a line of a queue still waits for this reviewer.
    fn is_open(&self, index: usize) -> Option<bool> {
        let line = self.current()?.line(index)?;
        let is_decided = !self.judging.is_second && line.verdict.is_some();
        Some(!is_decided && !self.is_judged(line.pair))
    }

    /// Whether the pair under the cursor is the one on the screen.
    pub fn is_shown(&self) -> bool {
        let shown = self.current().and_then(|data| data.pair.as_deref());
        shown.is_some_and(|pair| Some(pair.sample.pair) == self.selected())
    }
}

/// Notes whose model's side is on the screen: who has seen it cannot judge it blind any more.
pub fn note_seen(samples: &mut Samples) {
    if !samples.is_queue() || !(samples.judging.shows_model || samples.shows_gold) {
        return;
    }
    if let Some(pair) = samples.selected() {
        samples.judging.seen.insert(pair);
    }
}

/// Records what a person says of the pair on the screen, and goes to the next open one.
pub fn judge(model: &mut Model, choice: Choice) -> Vec<Effect> {
    let samples = &mut model.samples;
    let (Some(run), Some(pair)) = (samples.run.clone(), samples.selected()) else {
        return Vec::new();
    };
    let Some(line) = samples.current().and_then(|data| data.line(samples.cursor)) else {
        return Vec::new();
    };
    let (margin, confidence, was) = (line.margin, line.confidence, line.verdict);
    let left = samples.left(pair);
    let is_blind = !samples.judging.shows_model
        && !samples.judging.seen.contains(&pair)
        && !samples.is_judged(pair);
    let model_side = side_of(margin);
    let verdict = match choice.side(left) {
        None => Verdict::Veto,
        Some(side) if model_side.is_some_and(|label| label != side) => Verdict::Flip,
        Some(_) => Verdict::Keep,
    };
    let others = samples.current().and_then(|data| queue_words::others(samples, data, pair));
    let last = Last { pair, choice, left, model: model_side, confidence, was, others };
    samples.judging.last = Some(last);
    let queue = samples.order.queue();
    show_judged(samples, pair, verdict);
    samples.note_decision(run.clone(), pair, verdict);
    samples.takes_reason = false;
    next_open(samples);
    let judged = Some(Judged { choice, left, is_blind });
    let target = Target::Pairs(vec![pair]);
    vec![Effect::Samples(Request::Decide { run, target, verdict, queue, judged })]
}

/// Shows a judgment at once; what the reviewer's thread sends next is what really holds.
fn show_judged(samples: &mut Samples, pair: PairId, verdict: Verdict) {
    let Some(data) = &mut samples.data else { return };
    data.judged.insert(pair);
    for line in data.lines.iter_mut().filter(|line| line.pair == pair) {
        (line.verdict, line.reason) = (Some(verdict), None);
    }
}

/// Goes to the next pair that is open, without deciding about this one.
pub fn next_open(samples: &mut Samples) {
    let n_listed = samples.current().map_or(0, |data| data.n_listed);
    let mut next = samples.cursor + 1;
    while next < n_listed && samples.is_open(next) == Some(false) {
        next += 1;
    }
    if next < n_listed {
        if samples.is_open(next).is_none() {
            samples.find = Some(Find::OpenFrom(next));
        }
        samples.go(next);
        samples.judging.has_stepped = true;
    }
}

/// Shows the model's side of pairs that are not judged yet, or hides it again.
pub fn toggle_blind(model: &mut Model) -> Vec<Effect> {
    let judging = &mut model.samples.judging;
    judging.shows_model = !judging.shows_model;
    let words = if judging.shows_model {
        "open: you see what the model says; what you judge now does not count as blind"
    } else {
        "blind: the model's side appears after your key"
    };
    note_seen(&mut model.samples);
    model.say(Tone::Note, words)
}

/// Lets pairs that others have judged be open, or not any more.
pub fn toggle_second(model: &mut Model) -> Vec<Effect> {
    let samples = &mut model.samples;
    samples.judging.is_second = !samples.judging.is_second;
    samples.find = Some(Find::Undecided);
    let words = if samples.judging.is_second {
        "second opinion: a pair is open until you have judged it, whatever others said"
    } else {
        "a pair is open until anybody has judged it"
    };
    model.say(Tone::Note, words)
}

/// Shows the guidelines in the place of the pair, or the pair again.
pub fn toggle_guidelines(model: &mut Model) {
    model.samples.judging.shows_guidelines = !model.samples.judging.shows_guidelines;
}

#[cfg(test)]
mod tests;
