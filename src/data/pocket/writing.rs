//! Skills whose answer is written: a sentence under a constraint, everyday advice, a polite
//! message.

use super::draw::Draw;
use super::form::{Form, fill, form, slots};
use super::skill::{Body, Check, Fault, Level, Rule, Skill, Task};
use super::words::{
    ADJECTIVES, ADVERBS, ADVICE as ADVICE_TABLE, DAYS, EVENTS, NAMES, PLACES, PREPOSITIONS,
    SUBJECTS, VERBS,
};

pub(super) const CONSTRAINT: Skill = Skill {
    name: "constraint",
    forms: CONSTRAINT_FORMS,
    slots: |kind, draw| {
        let list = if kind == "ends" { PLACES } else { draw.pick(&[ADJECTIVES, VERBS, PLACES]) };
        let word = draw.pick(list);
        let animals = draw.pick_n(SUBJECTS, 2);
        slots([
            ("name", draw.pick(NAMES).into()),
            ("subject", animals[0].into()),
            ("rival", animals[1].into()),
            ("word", word.into()),
            ("n", draw.between(5, 9).to_string()),
        ])
    },
    body: constraint_body,
    check: |task| {
        let word = task.slot("word").to_owned();
        let rule = match task.form.kind {
            "with" => Rule::With(word),
            "without" => Rule::Without(word),
            "ends" => Rule::EndsWith(word),
            _ => Rule::NWords(usize::try_from(task.number("n")?).ok()?),
        };
        Some(Check::Sentence { subject: task.slot("subject").to_owned(), rule })
    },
};

const CONSTRAINT_FORMS: &[Form] = &[
    form("with", "Write a sentence about a {subject} with the word {word}. It is for {name}."),
    form(
        "with",
        "{name} has a {rival} but wants a sentence about a {subject}.|Can you use the word {word} in it?",
    ),
    form(
        "without",
        "Write a sentence about a {subject} without the word {word}. It is for {name}.",
    ),
    form(
        "without",
        "{name} has a {rival} but wants a sentence about a {subject}.|Please do not use the word {word}.",
    ),
    form("n_words", "Write a sentence about a {subject} for {name} in exactly {n} words."),
    form(
        "n_words",
        "{name} has a {rival} but wants a sentence about a {subject}.|It must have exactly {n} words.",
    ),
    form("ends", "Write a sentence about a {subject} for {name} that ends with the word {word}."),
    form(
        "ends",
        "{name} has a {rival} but wants a sentence about a {subject}.|Let it end with the word {word}.",
    ),
];

/// Sentences by their number of words, from 5 to 9.
const SENTENCES: &[(usize, &str)] = &[
    (5, "The {adjective} {subject} {verb} {adverb}."),
    (6, "The {subject} {verb} {preposition} the {place}."),
    (7, "The {adjective} {subject} {verb} {preposition} the {place}."),
    (8, "The {adjective} {subject} {verb} {adverb} {preposition} the {place}."),
    (9, "The {adjective} {subject} {verb} {preposition} the {place} of {name}."),
];

/// A sentence about `subject` of `n` words (or any number), with `word` in its place if the
/// sentence has one, else without it.
fn sentence(
    task: &Task,
    subject: &str,
    n: Option<usize>,
    word: Option<&str>,
    draw: &mut Draw,
) -> Option<String> {
    let template = match n {
        Some(n) => SENTENCES.iter().find(|(n_words, _)| *n_words == n)?.1,
        None => draw.pick(SENTENCES).1,
    };
    let asked = task.slot("word");
    let mut choose = |list: &'static [&'static str]| match word {
        Some(word) if list.contains(&word) => word.to_owned(),
        _ => draw.pick_other(list, &[asked]).unwrap_or_default().to_owned(),
    };
    let values = slots([
        ("adjective", choose(ADJECTIVES)),
        ("verb", choose(VERBS)),
        ("adverb", choose(ADVERBS)),
        ("preposition", choose(PREPOSITIONS)),
        ("place", choose(PLACES)),
        ("subject", subject.to_owned()),
        ("name", task.slot("name").to_owned()),
    ]);
    let text = fill(template, &values)?;
    let has = text.contains(&format!(" {asked} ")) || text.contains(&format!(" {asked}."));
    (word.is_none() || has).then_some(text)
}

fn constraint_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let subject = task.slot("subject");
    let (subject, keep, fault) = match level {
        None => (subject, true, None),
        Some(Level::Hard) => (subject, false, Some(Fault::MissedConstraint)),
        Some(_) => (task.slot("rival"), true, Some(Fault::WrongSubject)),
    };
    let word = task.slot("word");
    let text = match task.form.kind {
        "with" => sentence(task, subject, None, keep.then_some(word), draw)?,
        "without" => sentence(task, subject, None, (!keep).then_some(word), draw)?,
        "ends" => {
            // A missed end still holds the place, as the right ones do, in half of the cases.
            let n = if keep { draw.pick(&[6, 7, 8]) } else { draw.pick(&[5, 7, 8, 9]) };
            let held = keep || n == 9;
            sentence(task, subject, Some(n), held.then_some(word), draw)?
        }
        _ => {
            let n = usize::try_from(task.number("n")?).ok()?;
            let n = if keep { n } else { draw.pick_other(&[5, 6, 7, 8, 9], &[n])? };
            sentence(task, subject, Some(n), None, draw)?
        }
    };
    Some(Body { text, fault })
}

pub(super) const ADVICE: Skill = Skill {
    name: "advice",
    forms: ADVICE_FORMS,
    slots: |_, draw| {
        let (activity, ways) = draw.pick(ADVICE_TABLE);
        slots([
            ("name", draw.pick(NAMES).into()),
            ("activity", activity.into()),
            ("lacking", draw.pick(&ways).0.into()),
        ])
    },
    body: advice_body,
    check: |task| {
        let (_, ways) = ADVICE_TABLE.iter().find(|(what, _)| *what == task.slot("activity"))?;
        let lacking = task.slot("lacking");
        let needs = ways.iter().map(|(need, _)| (*need).to_owned());
        let (bad, good): (Vec<_>, Vec<_>) = needs.partition(|need| need == lacking);
        (!bad.is_empty()).then_some(Check::OneOf { good, bad })
    },
};

const ADVICE_FORMS: &[Form] = &[
    form("how", "{name} wants to {activity} but has no {lacking}.|What can {name} do?"),
    form("how", "How can {name} {activity} without a {lacking}?"),
    form("how", "My friend {name} has no {lacking}.|How can my friend {activity}?"),
    form("how", "I have to {activity} with {name}. We do not have any {lacking}.|Any ideas?"),
];

fn advice_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let (_, ways) = ADVICE_TABLE.iter().find(|(what, _)| *what == task.slot("activity"))?;
    let lacking = task.slot("lacking");
    let (tip, fault) = match level {
        None => (draw.pick(ways), None),
        Some(Level::Hard) => (*ways.iter().find(|w| w.0 == lacking)?, Some(Fault::Contradiction)),
        Some(_) => {
            let (_, others) = draw.pick(ADVICE_TABLE);
            (draw.pick(&others), Some(Fault::WrongSubject))
        }
    };
    if fault.is_none() && tip.0 == lacking {
        return None;
    }
    let templates = &["{value}", "You could try this. {value}", "Here is one way. {value}"];
    Some(Body { text: task.say(templates, tip.1, draw)?, fault })
}

pub(super) const MESSAGE: Skill = Skill {
    name: "message",
    forms: MESSAGE_FORMS,
    slots: |_, draw| {
        let two = draw.pick_n(NAMES, 2);
        slots([
            ("name", two[0].into()),
            ("other", two[1].into()),
            ("event", draw.pick(EVENTS).into()),
            ("day", draw.pick(DAYS).into()),
        ])
    },
    body: message_body,
    check: |task| {
        let known = |list: &[&str], key: &str| list.contains(&task.slot(key));
        if !(known(NAMES, "name") && known(EVENTS, "event") && known(DAYS, "day")) {
            return None;
        }
        let needed = ["name", "event", "day"].map(|key| task.slot(key).to_lowercase()).to_vec();
        let mut forbidden =
            [NAMES, EVENTS, DAYS].concat().iter().map(|w| w.to_lowercase()).collect::<Vec<_>>();
        forbidden.retain(|word| !needed.contains(word));
        Some(Check::Message { needed, forbidden, declines: task.form.kind == "decline" })
    },
};

const MESSAGE_FORMS: &[Form] = &[
    form("decline", "Write to {name} that I can not come to the {event} on {day}."),
    form("decline", "{name} invited me to a {event} on {day}.|Help me to say no in a kind way."),
    form(
        "decline",
        "{other} told me about the {event} on {day}.|Write to {name} that I can not come.",
    ),
    form("accept", "Write to {name} that I will come to the {event} on {day}."),
    form("accept", "{name} invited me to a {event} on {day}.|Help me to say yes in a kind way."),
    form("accept", "{other} told me about the {event} on {day}.|Write to {name} that I will come."),
];

fn message_body(task: &Task, level: Option<Level>, draw: &mut Draw) -> Option<Body> {
    let mut said = Task { skill: task.skill, form: task.form, slots: task.slots.clone() };
    let mut declines = task.form.kind == "decline";
    let fault = match level {
        None => None,
        Some(Level::Hard) => {
            let (key, list) = draw.pick(&[("name", NAMES), ("event", EVENTS), ("day", DAYS)]);
            // Another person of the prompt is the likeliest mistake.
            let value = match (key, task.slot("other")) {
                ("name", other) if !other.is_empty() => other,
                _ => draw.pick_other(list, &[task.slot(key)])?,
            };
            said.slots.insert(key, value.to_owned());
            Some(Fault::Contradiction)
        }
        Some(_) => {
            declines = !declines;
            Some(Fault::Opposite)
        }
    };
    let templates: &[&str] = if declines {
        &[
            "Dear {name}, I am sorry, but I can not come to the {event} on {day}.",
            "Hello {name}, thank you for asking me, but I can not be at the {event} on {day}.",
            "Dear {name}, the {event} on {day} sounds nice, but I can not be there.",
        ]
    } else {
        &[
            "Dear {name}, I am glad that I can come to the {event} on {day}.",
            "Hello {name}, thank you for asking me, I will be at the {event} on {day}.",
            "Dear {name}, the {event} on {day} sounds nice, and I will be there.",
        ]
    };
    Some(Body { text: said.say(templates, "", draw)?, fault })
}
