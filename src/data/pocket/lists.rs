//! Skills on a list in the prompt: naming the right item, and putting items in order.

use super::draw::Draw;
use super::form::{Form, Slots, form, join, slots, split_list};
use super::skill::{Body, Check, Fault, Level, Skill, Task};
use super::words::{LIST_WORDS, NAMES};

const PLACES: &[&str] = &["first", "second", "third", "last"];
const EXTREMES: &[&str] = &["largest", "smallest"];

pub(super) const SELECTION: Skill = Skill {
    name: "selection",
    forms: SELECTION_FORMS,
    slots: selection_slots,
    body: selection_body,
    check: |task| {
        let candidates = split_list(task.slot("list"));
        let right = select(task, &candidates)?;
        Some(Check::Choice { right, candidates, given: Vec::new() })
    },
};

const SELECTION_FORMS: &[Form] = &[
    form("place", "Here is a list: {list}.|Which item is {which}?"),
    form("place", "The list of {name} says {list}.|What is the {which} thing on it?"),
    form("place", "What is the {which} word of these: {list}?"),
    form("alphabet", "Which of these words comes first in the alphabet: {list}?"),
    form("extreme", "Which of these numbers is the {which}: {list}?"),
    form("extreme", "{name} wrote down {list}.|Which number is the {which}?"),
];

fn selection_slots(kind: &str, draw: &mut Draw) -> Slots {
    let n = draw.between(3, 5) as usize;
    let list = if kind == "extreme" { numbers(n, draw) } else { words(n, draw) };
    let which = draw.pick(if kind == "extreme" { EXTREMES } else { PLACES });
    slots([("list", join(&list)), ("which", which.into()), ("name", draw.pick(NAMES).into())])
}

fn words(n: usize, draw: &mut Draw) -> Vec<String> {
    draw.pick_n(LIST_WORDS, n).into_iter().map(ToOwned::to_owned).collect()
}

fn numbers(n: usize, draw: &mut Draw) -> Vec<String> {
    let all: Vec<i64> = (13..100).collect();
    draw.pick_n(&all, n).iter().map(ToString::to_string).collect()
}

fn select(task: &Task, items: &[String]) -> Option<String> {
    let by_number = |item: &&String| item.parse::<i64>().unwrap_or(0);
    match (task.form.kind, task.slot("which")) {
        ("alphabet", _) => items.iter().min(),
        (_, "largest") => items.iter().max_by_key(by_number),
        (_, "smallest") => items.iter().min_by_key(by_number),
        (_, "first") => items.first(),
        (_, "second") => items.get(1),
        (_, "third") => items.get(2),
        (_, "last") => items.last(),
        _ => None,
    }
    .cloned()
}

fn selection_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let items = split_list(task.slot("list"));
    let right = select(task, &items)?;
    let (value, fault) = match level {
        None => (right, None),
        Some(Level::Hard) => (items[draw.below(items.len())].clone(), Some(Fault::WrongItem)),
        Some(_) => {
            let outside =
                if task.form.kind == "extreme" { numbers(1, draw) } else { words(1, draw) };
            let value = outside.into_iter().find(|item| !items.contains(item))?;
            (value, Some(Fault::Invented))
        }
    };
    let templates = &[
        "It is {value}.",
        "That would be {value}.",
        "I would say {value}.",
        "The right one is {value}.",
        "If I look at the list, it is {value}.",
        "You are looking for {value}.",
    ];
    Some(Body { text: task.say(templates, &value, draw)?, fault })
}

pub(super) const ORDERING: Skill = Skill {
    name: "ordering",
    forms: ORDERING_FORMS,
    slots: |kind, draw| {
        let n = draw.between(3, 4) as usize;
        let list = if kind == "numbers" { numbers(n, draw) } else { words(n, draw) };
        slots([("list", join(&list)), ("name", draw.pick(NAMES).into())])
    },
    body: ordering_body,
    check: |task| {
        let candidates = split_list(task.slot("list"));
        Some(Check::Sequence { right: order(task, &candidates), candidates })
    },
};

const ORDERING_FORMS: &[Form] = &[
    form("alphabet", "Sort these words from A to Z: {list}."),
    form("alphabet", "{name} needs {list} in alphabetical order.|How does it go?"),
    form("reverse", "Say these words in reverse order: {list}."),
    form("reverse", "{name} said {list}.|How does that go backwards?"),
    form("numbers", "Sort these numbers from small to large: {list}."),
    form("numbers", "{name} got the numbers {list}.|Put them in order from small to large."),
];

fn order(task: &Task, items: &[String]) -> Vec<String> {
    let mut items = items.to_vec();
    match task.form.kind {
        "alphabet" => items.sort(),
        "reverse" => items.reverse(),
        _ => items.sort_by_key(|item| item.parse::<i64>().unwrap_or(0)),
    }
    items
}

fn ordering_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let mut items = order(task, &split_list(task.slot("list")));
    let fault = match level {
        None => None,
        Some(Level::Hard) => {
            let at = draw.below(items.len() - 1);
            items.swap(at, at + 1);
            Some(Fault::WrongOrder)
        }
        Some(_) if draw.chance(0.5) => {
            items.remove(draw.below(items.len()));
            Some(Fault::Incomplete)
        }
        Some(_) => {
            let at = draw.below(items.len());
            let new = if task.form.kind == "numbers" { numbers(1, draw) } else { words(1, draw) };
            items[at] = new.into_iter().find(|item| !items.contains(item))?;
            Some(Fault::Invented)
        }
    };
    let templates = &[
        "It goes {value}.",
        "In that order they are {value}.",
        "Here they are: {value}.",
        "The order is {value}.",
        "You get {value}.",
    ];
    Some(Body { text: task.say(templates, &join(&items), draw)?, fault })
}
