//! What a skill is: questions, right and wrong answers, and how an answer is judged.

use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::form::{Form, Slots, fill};

/// What is wrong with a rejected answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Says nothing. Easy.
    Empty,
    /// Repeats itself without end. Easy.
    Looping,
    /// Insults the person; the answer itself is right. Easy.
    Rude,
    /// Answers another question. Easy.
    OffTopic,
    /// Adds where it should subtract, counts the wrong thing, mixes up a unit, or gives a number of
    /// the prompt back. Medium.
    WrongOperation,
    /// Goes back where it should go forward, or stays where it is. Medium.
    WrongDirection,
    /// Names something that is not in the prompt. Medium.
    Invented,
    /// Leaves a part out. Medium.
    Incomplete,
    /// Writes about another subject. Medium.
    WrongSubject,
    /// Says the opposite. Medium.
    Opposite,
    /// A number or a day is off by little. Hard.
    Slip,
    /// Another item of the list in the prompt. Hard.
    WrongItem,
    /// Two neighbors changed places. Hard.
    WrongOrder,
    /// All right but for the one thing that was asked for. Hard.
    MissedConstraint,
    /// States what the prompt contradicts. Hard.
    Contradiction,
}

/// How hard a fault is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A glance at the answer, or at whether it fits the question.
    Easy,
    /// The answer fits the question, but its content does not come from it.
    Medium,
    /// The answer fits the question and is wrong in one detail.
    Hard,
}

/// The body of an answer, without opener and closer, and its fault.
pub(super) struct Body {
    pub(super) text: String,
    pub(super) fault: Option<Fault>,
}

/// A family of questions. `body` may give up (`None`) on an unlucky draw, then it is tried again.
pub(super) struct Skill {
    pub(super) name: &'static str,
    pub(super) forms: &'static [Form],
    pub(super) slots: fn(&str, &mut Draw) -> Slots,
    /// A right body without a level, else one with a fault of that level (medium or hard).
    pub(super) body: fn(&Task, Option<Level>, &mut Draw) -> Option<Body>,
    /// How answers are judged; `None` when the slots make no sense.
    pub(super) check: fn(&Task) -> Option<Check>,
}

/// A question with its content.
pub(super) struct Task {
    pub(super) skill: &'static Skill,
    pub(super) form: &'static Form,
    pub(super) slots: Slots,
}

/// What makes an answer right.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Check {
    /// `right` is concluded, and every other number stands in the prompt.
    Number { right: i64 },
    /// The last mentioned candidate is `right`, and every other one mentioned is in `given`.
    Choice { right: String, candidates: Vec<String>, given: Vec<String> },
    /// The candidates are mentioned in exactly this order.
    Sequence { right: Vec<String>, candidates: Vec<String> },
    /// Yes or no, and nothing that contradicts the order of the names.
    Order { yes: bool, comparison: String, descending: Vec<String> },
    /// A sentence that keeps all rules.
    Sentence { subject: String, rule: Rule },
    /// One of `good` is mentioned and none of `bad`.
    OneOf { good: Vec<String>, bad: Vec<String> },
    /// A message with every needed word, none of the forbidden ones, and the right polarity.
    Message { needed: Vec<String>, forbidden: Vec<String>, declines: bool },
}

/// The constraint of a sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rule {
    With(String),
    Without(String),
    NWords(usize),
    EndsWith(String),
}

impl Task {
    pub(super) fn draw(skill: &'static Skill, draw: &mut Draw) -> Self {
        let form = &skill.forms[draw.below(skill.forms.len())];
        let slots = (skill.slots)(form.kind, draw);
        Self { skill, form, slots }
    }

    /// The value of a slot; empty when the form has none of that name.
    pub(super) fn slot(&self, name: &str) -> &str {
        self.slots.get(name).map_or("", String::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.slot(name).parse().ok()
    }

    /// The question, with `|` between facts and question.
    pub(super) fn question(&self) -> Option<String> {
        fill(self.form.text, &self.slots)
    }

    /// One of the answer templates whose slots this task has, filled; `value` fills `{value}`.
    pub(super) fn say(&self, templates: &[&str], value: &str, draw: &mut Draw) -> Option<String> {
        let mut slots = self.slots.clone();
        slots.insert("value", value.to_owned());
        let texts: Vec<String> = templates.iter().filter_map(|t| fill(t, &slots)).collect();
        (!texts.is_empty()).then(|| texts[draw.below(texts.len())].clone())
    }
}
