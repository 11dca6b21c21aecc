//! Skills whose answer is a number: word problems, units, counting.

use super::draw::Draw;
use super::form::{Form, Slots, form, slots};
use super::skill::{Body, Check, Fault, Level, Skill, Task};
use super::words::{EVENTS, LIST_WORDS, NAMES, PLURALS, UNITS as UNIT_TABLE};

/// Number words that an answer may use; "one" is left out since it is mostly a pronoun.
pub(super) const NUMBER_WORDS: &[(&str, i64)] = &[
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
];

/// Digits, or a word where there is one.
fn write_number(value: i64, draw: &mut Draw) -> String {
    let word = NUMBER_WORDS.iter().find(|(_, n)| *n == value).map(|(word, _)| (*word).to_owned());
    word.filter(|_| draw.chance(0.3)).unwrap_or_else(|| value.to_string())
}

/// A wrong number near the right one.
fn slip(right: i64, draw: &mut Draw) -> i64 {
    let by = if right > 12 { draw.pick(&[-10, -2, -1, 1, 2, 10]) } else { draw.pick(&[-1, 1]) };
    right + by
}

/// The body for a number: right, of the wrong operation (`other`), or slipped.
fn number_body(
    task: &Task,
    templates: &[&str],
    (right, other): (i64, i64),
    level: Option<Level>,
    draw: &mut Draw,
) -> Option<Body> {
    let (value, fault) = match level {
        None => (right, None),
        Some(Level::Hard) => (slip(right, draw), Some(Fault::Slip)),
        // A number of the question given back as its answer is no operation at all.
        Some(_) => {
            let given = task.number(draw.pick(&["a", "b"])).filter(|_| draw.chance(0.5));
            (given.unwrap_or(other), Some(Fault::WrongOperation))
        }
    };
    if fault.is_some() && (value == right || value < 2) {
        return None;
    }
    let value = write_number(value, draw);
    Some(Body { text: task.say(templates, &value, draw)?, fault })
}

pub(super) const ARITHMETIC: Skill = Skill {
    name: "arithmetic",
    forms: ARITHMETIC_FORMS,
    slots: arithmetic_slots,
    body: arithmetic_body,
    check: |task| Some(Check::Number { right: arithmetic(task)?.0 }),
};

const ARITHMETIC_FORMS: &[Form] = &[
    form("add", "{name} has {a} {item} and buys {b} more.|How many {item} does {name} have now?"),
    form(
        "add",
        "{name} found {a} {item} on Monday and {b} on Friday.|How many {item} is that in total?",
    ),
    form(
        "add",
        "There are {a} {item} on the table and {b} in the box.|How many {item} are there altogether?",
    ),
    form("subtract", "{name} has {a} {item} and gives away {b}.|How many {item} are left?"),
    form(
        "subtract",
        "There were {a} {item} in the shop and {b} were sold.|How many {item} remain?",
    ),
    form("subtract", "{name} needs {a} {item} but has only {b}.|How many {item} are missing?"),
    form("multiply", "{name} has {a} bags with {b} {item} in each.|How many {item} is that?"),
    form("multiply", "There are {a} shelves and each holds {b} {item}.|How many {item} are there?"),
];

fn arithmetic_slots(kind: &str, draw: &mut Draw) -> Slots {
    let (a, b) = match kind {
        "add" => (draw.between(3, 40), draw.between(3, 40)),
        "subtract" => {
            let b = draw.between(3, 25);
            (b + draw.between(3, 25), b)
        }
        _ => (draw.between(3, 9), draw.between(3, 9)),
    };
    slots([
        ("name", draw.pick(NAMES).into()),
        ("item", draw.pick(PLURALS).into()),
        ("a", a.to_string()),
        ("b", b.to_string()),
    ])
}

/// The right number, and that of the operation it is taken for.
fn arithmetic(task: &Task) -> Option<(i64, i64)> {
    let (a, b) = (task.number("a")?, task.number("b")?);
    Some(match task.form.kind {
        "add" => (a.checked_add(b)?, (a - b).abs()),
        "subtract" => (a.checked_sub(b)?, a + b),
        _ => (a.checked_mul(b)?, a + b),
    })
}

fn arithmetic_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let templates: &[&str] = match task.form.kind {
        "add" => &[
            "The answer is {value}.",
            "That makes {value} {item}.",
            "{a} plus {b} is {value}.",
            "There are {value} {item} in all, since {a} plus {b} is {value}.",
            "Add {b} to {a} and you get {value} {item}.",
        ],
        "subtract" => &[
            "The answer is {value}.",
            "That makes {value} {item}.",
            "{a} minus {b} is {value}.",
            "It is {value} {item}, since {a} minus {b} is {value}.",
            "Take {b} from {a} and you get {value} {item}.",
        ],
        _ => &[
            "The answer is {value}.",
            "That makes {value} {item}.",
            "{a} times {b} is {value}.",
            "There are {value} {item} in all, since {a} times {b} is {value}.",
            "Count {b} {item} {a} times and you get {value}.",
        ],
    };
    number_body(task, templates, arithmetic(task)?, level, draw)
}

pub(super) const UNITS: Skill = Skill {
    name: "units",
    forms: UNIT_FORMS,
    slots: unit_slots,
    body: |task, level, draw| {
        let templates = &[
            "The answer is {value}.",
            "That is {value} {small}.",
            "It comes to {value} {small} in all.",
            "{a} {large} are {value} {small}.",
            "There are {value} {small} in {a} {large}.",
        ];
        number_body(task, templates, units(task)?, level, draw)
    },
    check: |task| Some(Check::Number { right: units(task)?.0 }),
};

const UNIT_FORMS: &[Form] = &[
    form("convert", "{name} measured {a} {large} for the {event}.|How many {small} is that?"),
    form("convert", "How many {small} are {a} {large}? {name} asked me before the {event}."),
    form("convert", "The {event} of {name} needs {a} {large}.|Can you tell me that in {small}?"),
    form("convert", "{name} and I planned {a} {large} for the {event}.|What is that in {small}?"),
];

fn unit_slots(_: &str, draw: &mut Draw) -> Slots {
    let (large, small, _, _) = draw.pick(UNIT_TABLE);
    slots([
        ("name", draw.pick(NAMES).into()),
        ("event", draw.pick(EVENTS).into()),
        ("large", large.into()),
        ("small", small.into()),
        ("a", draw.between(2, 12).to_string()),
    ])
}

fn units(task: &Task) -> Option<(i64, i64)> {
    let a = task.number("a")?;
    let (_, _, right, other) = UNIT_TABLE.iter().find(|(large, small, _, _)| {
        task.slot("large") == *large && task.slot("small") == *small
    })?;
    Some((a.checked_mul(*right)?, a.checked_mul(*other)?))
}

pub(super) const COUNTING: Skill = Skill {
    name: "counting",
    forms: COUNTING_FORMS,
    slots: counting_slots,
    body: |task, level, draw| {
        let templates = &[
            "The answer is {value}.",
            "I count {value}.",
            "It is there {value} times.",
            "The word {word} appears {value} times.",
            "You can find {word} {value} times in the row.",
        ];
        number_body(task, templates, counting(task)?, level, draw)
    },
    check: |task| Some(Check::Number { right: counting(task)?.0 }),
};

const COUNTING_FORMS: &[Form] = &[
    form("count", "Here is a row of words: {row}.|How many times does {word} appear?"),
    form("count", "How often do you see the word {word} in this row: {row}?"),
    form("count", "Look at {row}.|How often is {word} in it?"),
];

fn counting_slots(_: &str, draw: &mut Draw) -> Slots {
    let kinds = draw.pick_n(LIST_WORDS, 3);
    let n = draw.between(2, 4);
    let mut row = vec![kinds[0]; n as usize];
    for _ in 0..draw.between(2, 4) {
        row.push(kinds[1 + draw.below(2)]);
    }
    let len = row.len();
    slots([("row", draw.pick_n(&row, len).join(" ")), ("word", kinds[0].into())])
}

/// How often the word stands there, and how many other words.
fn counting(task: &Task) -> Option<(i64, i64)> {
    let row: Vec<&str> = task.slot("row").split(' ').collect();
    let n = row.iter().filter(|word| **word == task.slot("word")).count();
    (n > 0).then_some((n as i64, row.len() as i64))
}
