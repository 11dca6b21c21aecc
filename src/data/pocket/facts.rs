//! Skills whose answer follows from facts in the prompt: who has what, code words, the calendar,
//! and comparisons.

use super::draw::Draw;
use super::form::{Form, Slots, form, slots};
use super::skill::{Body, Check, Fault, Level, Skill, Task};
use super::words::{COLORS, COMPARISONS, DAYS, EVENTS, LIST_WORDS, MONTHS, NAMES, OBJECTS};

pub(super) const RECALL: Skill = Skill {
    name: "recall",
    forms: RECALL_FORMS,
    slots: recall_slots,
    body: recall_body,
    check: |task| {
        let (right, row) = recall(task)?;
        let candidates: Vec<String> =
            KEYS.iter().map(|keys| task.slot(keys[row]).to_lowercase()).collect();
        Some(Check::Choice { right: right.to_lowercase(), candidates, given: Vec::new() })
    },
};

const RECALL_FORMS: &[Form] = &[
    form(
        "who",
        "{n1} has a {c1} {o1}, {n2} has a {c2} {o2} and {n3} has a {c3} {o3}.|Who has the {ask}?",
    ),
    form(
        "who",
        "{n1} bought a {c1} {o1}. {n2} bought a {c2} {o2}. {n3} bought a {c3} {o3}.|Who bought the {ask}?",
    ),
    form(
        "color",
        "{n1} has a {c1} {o1}, {n2} has a {c2} {o2} and {n3} has a {c3} {o3}.|What color is the {ask}?",
    ),
    form(
        "color",
        "The {o1} of {n1} is {c1}, the {o2} of {n2} is {c2} and the {o3} of {n3} is {c3}.|Which color does the {ask} have?",
    ),
    form(
        "thing",
        "{n1} has a {c1} {o1}, {n2} has a {c2} {o2} and {n3} has a {c3} {o3}.|What does {ask} have?",
    ),
    form(
        "thing",
        "{n1} got a {c1} {o1}. {n2} got a {c2} {o2}. {n3} got a {c3} {o3}.|Which thing did {ask} get?",
    ),
];

/// Slot names of the three people: name, color, object.
const KEYS: [[&str; 3]; 3] = [["n1", "c1", "o1"], ["n2", "c2", "o2"], ["n3", "c3", "o3"]];

fn recall_slots(kind: &str, draw: &mut Draw) -> Slots {
    let (names, colors, objects) =
        (draw.pick_n(NAMES, 3), draw.pick_n(COLORS, 3), draw.pick_n(OBJECTS, 3));
    let mut found = Slots::new();
    for (i, [n, c, o]) in KEYS.into_iter().enumerate() {
        found.insert(n, names[i].into());
        found.insert(c, colors[i].into());
        found.insert(o, objects[i].into());
    }
    let asked = draw.below(3);
    found.insert("ask", if kind == "thing" { names[asked] } else { objects[asked] }.into());
    found
}

/// The right value, and which of name (0), color (1) and object (2) it is.
fn recall(task: &Task) -> Option<(String, usize)> {
    let (key, row) = match task.form.kind {
        "who" => (2, 0),
        "color" => (2, 1),
        _ => (0, 2),
    };
    let person = KEYS.iter().find(|keys| task.slot(keys[key]) == task.slot("ask"))?;
    Some((task.slot(person[row]).to_owned(), row))
}

fn recall_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let (right, row) = recall(task)?;
    let known: Vec<&str> = KEYS.iter().map(|keys| task.slot(keys[row])).collect();
    let (value, fault) = match level {
        None => (right, None),
        Some(Level::Hard) => {
            (draw.pick_other(&known, &[right.as_str()])?.to_owned(), Some(Fault::Contradiction))
        }
        Some(_) => {
            let all = [NAMES, COLORS, OBJECTS][row];
            (draw.pick_other(all, &known)?.to_owned(), Some(Fault::Invented))
        }
    };
    let templates: &[&str] = match task.form.kind {
        "who" => &[
            "It is {value}.",
            "{value} has the {ask}.",
            "The {ask} belongs to {value}.",
            "That would be {value}.",
            "As you said, the {ask} is with {value}.",
        ],
        "color" => &[
            "It is {value}.",
            "The {ask} is {value}.",
            "The color of the {ask} is {value}.",
            "That would be {value}.",
            "As you said, it is a {value} {ask}.",
        ],
        _ => &[
            "It is a {value}.",
            "{ask} has a {value}.",
            "The {value} belongs to {ask}.",
            "That would be the {value}.",
            "As you said, {ask} has the {value}.",
        ],
    };
    Some(Body { text: task.say(templates, &value, draw)?, fault })
}

pub(super) const CODE_WORDS: Skill = Skill {
    name: "code_words",
    forms: CODE_FORMS,
    slots: |_, draw| {
        let words = draw.pick_n(LIST_WORDS, 3);
        let mut found = Slots::new();
        for (i, (word, code)) in [("w1", "k1"), ("w2", "k2"), ("w3", "k3")].into_iter().enumerate()
        {
            found.insert(word, words[i].into());
            found.insert(code, code_word(i, draw));
        }
        let asked = draw.pick_n(&words, 2);
        found.insert("x", asked[0].into());
        found.insert("y", asked[1].into());
        found
    },
    body: code_body,
    check: |task| {
        let right = vec![code_of(task, "x")?, code_of(task, "y")?];
        let candidates = ["k1", "k2", "k3"].map(|key| task.slot(key).to_owned()).to_vec();
        Some(Check::Sequence { right, candidates })
    },
};

const CODE_FORMS: &[Form] = &[
    form("say", "In my code {w1} is {k1}, {w2} is {k2} and {w3} is {k3}.|How do I say {x} {y}?"),
    form(
        "say",
        "Let {w1} mean {k1}, {w2} mean {k2} and {w3} mean {k3}.|What is the code for {x} {y}?",
    ),
    form(
        "say",
        "My code has {k1} for {w1}, {k2} for {w2} and {k3} for {w3}.|Please write {x} {y} in it.",
    ),
];

/// Two syllables that are no English word. The first consonant differs by `place`, so the three
/// code words of a prompt never coincide.
fn code_word(place: usize, draw: &mut Draw) -> String {
    let first = ["z", "v", "k"][place % 3];
    let vowels = ["a", "i", "o", "u"];
    let middle = draw.pick(&["l", "m", "n", "r", "t", "p"]);
    format!("{first}{}{middle}{}", draw.pick(&vowels), draw.pick(&vowels))
}

fn code_of(task: &Task, asked: &str) -> Option<String> {
    [("w1", "k1"), ("w2", "k2"), ("w3", "k3")]
        .iter()
        .find(|(word, _)| task.slot(word) == task.slot(asked))
        .map(|(_, code)| task.slot(code).to_owned())
}

fn code_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let (x, y) = (code_of(task, "x")?, code_of(task, "y")?);
    let third = ["k1", "k2", "k3"].map(|key| task.slot(key).to_owned());
    let third = third.into_iter().find(|code| *code != x && *code != y)?;
    let (first, second, fault) = match level {
        None => (x, y, None),
        Some(Level::Hard) if draw.chance(0.3) => (y, x, Some(Fault::WrongOrder)),
        Some(Level::Hard) if draw.chance(0.5) => (third, y, Some(Fault::WrongItem)),
        Some(Level::Hard) => (x, third, Some(Fault::WrongItem)),
        Some(_) => (x, code_word(draw.below(3), draw), Some(Fault::Invented)),
    };
    let templates = &[
        "It is {value}.",
        "You say {value}.",
        "In your code that is {value}.",
        "The code for {x} {y} is {value}.",
        "That becomes {value}.",
    ];
    Some(Body { text: task.say(templates, &format!("{first} {second}"), draw)?, fault })
}

pub(super) const CALENDAR: Skill = Skill {
    name: "calendar",
    forms: CALENDAR_FORMS,
    slots: |kind, draw| {
        let cycle = if kind.starts_with("day") { DAYS } else { MONTHS };
        slots([
            ("name", draw.pick(NAMES).into()),
            ("event", draw.pick(EVENTS).into()),
            ("start", draw.pick(cycle).into()),
            ("n", draw.between(2, 5).to_string()),
        ])
    },
    body: calendar_body,
    check: |task| {
        let (right, _, cycle) = calendar(task)?;
        let lower = |text: &str| text.to_lowercase();
        Some(Check::Choice {
            right: lower(cycle[right]),
            candidates: cycle.iter().map(|x| lower(x)).collect(),
            given: vec![lower(task.slot("start"))],
        })
    },
};

const CALENDAR_FORMS: &[Form] = &[
    form("day+", "Today is {start}. The {event} of {name} is in {n} days.|Which day is that?"),
    form("day+", "{name} has a {event} {n} days after {start}.|What day is it on?"),
    form("day-", "Today is {start}. The {event} of {name} was {n} days ago.|Which day was it?"),
    form("day-", "{name} has a {event} {n} days before {start}.|What day is it on?"),
    form("month+", "It is {start} now. {name} plans a {event} in {n} months.|Which month is that?"),
    form("month-", "It is {start} now. {name} had a {event} {n} months ago.|Which month was that?"),
];

/// Index of the right day or month, of the one in the wrong direction, and the cycle.
fn calendar(task: &Task) -> Option<(usize, usize, &'static [&'static str])> {
    let cycle = if task.form.kind.starts_with("day") { DAYS } else { MONTHS };
    let start = cycle.iter().position(|x| *x == task.slot("start"))?;
    let n = usize::try_from(task.number("n")?).ok()? % cycle.len();
    let (later, earlier) = ((start + n) % cycle.len(), (start + cycle.len() - n) % cycle.len());
    Some(if task.form.kind.ends_with('+') {
        (later, earlier, cycle)
    } else {
        (earlier, later, cycle)
    })
}

fn calendar_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let (right, other, cycle) = calendar(task)?;
    let (at, fault) = match level {
        None => (right, None),
        Some(Level::Hard) => {
            ((right + draw.pick(&[1, cycle.len() - 1])) % cycle.len(), Some(Fault::Slip))
        }
        Some(_) => {
            let start = cycle.iter().position(|x| *x == task.slot("start"))?;
            (if draw.chance(0.5) { start } else { other }, Some(Fault::WrongDirection))
        }
    };
    let templates: &[&str] = match task.form.kind {
        "day+" => &[
            "It is {value}.",
            "That is a {value}.",
            "The {event} is on {value}.",
            "Counting {n} days on from {start}, it is {value}.",
        ],
        "day-" => &[
            "It is {value}.",
            "That is a {value}.",
            "The {event} falls on {value}.",
            "Counting {n} days back from {start}, it is {value}.",
        ],
        "month+" => &[
            "It is {value}.",
            "That would be {value}.",
            "The {event} is in {value}.",
            "Counting {n} months on from {start}, it is {value}.",
        ],
        _ => &[
            "It is {value}.",
            "That would be {value}.",
            "The {event} was in {value}.",
            "Counting {n} months back from {start}, it is {value}.",
        ],
    };
    Some(Body { text: task.say(templates, cycle[at], draw)?, fault })
}

pub(super) const COMPARISON: Skill = Skill {
    name: "comparison",
    forms: COMPARISON_FORMS,
    slots: |_, draw| {
        let names = draw.pick_n(NAMES, 3);
        let asked = draw.pick_n(&names, 2);
        slots([
            ("n1", names[0].into()),
            ("n2", names[1].into()),
            ("n3", names[2].into()),
            ("more", draw.pick(COMPARISONS).into()),
            ("x", asked[0].into()),
            ("y", asked[1].into()),
        ])
    },
    body: comparison_body,
    check: |task| {
        let descending = ["n1", "n2", "n3"].map(|key| task.slot(key).to_lowercase()).to_vec();
        let rank =
            |name: &str| descending.iter().position(|n| *n == task.slot(name).to_lowercase());
        let yes = rank("x")? < rank("y")?;
        Some(Check::Order { yes, comparison: task.slot("more").to_owned(), descending })
    },
};

const COMPARISON_FORMS: &[Form] = &[
    form("order", "{n1} is {more} than {n2} and {n2} is {more} than {n3}.|Is {x} {more} than {y}?"),
    form(
        "order",
        "{n1} is {more} than {n2}. {n2} is {more} than {n3}.|Would you say {x} is {more} than {y}?",
    ),
    form(
        "order",
        "I know that {n1} is {more} than {n2}, who is {more} than {n3}.|Is it true that {x} is {more} than {y}?",
    ),
];

fn comparison_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let Some(Check::Order { yes, .. }) = (COMPARISON.check)(task) else { return None };
    let (verdict, reason, fault) = match level {
        None => (yes, yes, None),
        // The verdict is right and its reason says the opposite, or the other way around.
        Some(Level::Hard) => {
            let verdict = draw.chance(0.5);
            (verdict, !verdict, Some(Fault::Contradiction))
        }
        Some(_) => (!yes, !yes, Some(Fault::Opposite)),
    };
    let mut said = Task { skill: task.skill, form: task.form, slots: task.slots.clone() };
    if !reason {
        let x = said.slots.insert("x", task.slot("y").to_owned())?;
        said.slots.insert("y", x);
    }
    let value = if verdict { "Yes" } else { "No" };
    let templates = &[
        "{value}, {x} is {more} than {y}.",
        "{value}, since {x} is {more} than {y}.",
        "{value}. From what you say, {x} is {more} than {y}.",
        "{value}, and the reason is that {x} is {more} than {y}.",
    ];
    Some(Body { text: said.say(templates, value, draw)?, fault })
}
