//! Every skill, and the task that a question asks.

use super::form;
use super::skill::{Skill, Task};
use super::{facts, lists, numbers, writing};

/// Every skill, in the order of the README.
pub(super) const SKILLS: &[&Skill] = &[
    &numbers::ARITHMETIC,
    &numbers::UNITS,
    &numbers::COUNTING,
    &lists::SELECTION,
    &lists::ORDERING,
    &facts::RECALL,
    &facts::CODE_WORDS,
    &facts::CALENDAR,
    &facts::COMPARISON,
    &writing::CONSTRAINT,
    &writing::ADVICE,
    &writing::MESSAGE,
];

/// Finds the form that a question (facts and question joined by a space) was made from.
pub(super) fn task_of(question: &str) -> Option<Task> {
    SKILLS.iter().find_map(|skill| {
        skill.forms.iter().find_map(|form| {
            let slots = form::read(form.text, question)?;
            let task = Task { skill, form, slots };
            (skill.check)(&task).is_some().then_some(task)
        })
    })
}
