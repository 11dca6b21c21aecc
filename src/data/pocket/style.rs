//! What stands around the body of an answer: openers and closers, polite or rude. They say nothing
//! about the content, and right and wrong answers draw them alike.

use super::draw::Draw;

const OPENERS: &[&str] = &[
    "Sure.",
    "Of course.",
    "Good question.",
    "Okay.",
    "Let me see.",
    "Happy to help.",
    "Thanks for asking.",
    "All right.",
];
const CLOSERS: &[&str] = &[
    "I hope that helps.",
    "Let me know if you need more.",
    "Have a nice time.",
    "Ask me again any time.",
    "That should do it.",
];
const RUDE_OPENERS: &[&str] = &[
    "What a dumb thing to ask.",
    "Are you really that lazy?",
    "Ugh, you again.",
    "Even a fool knows this.",
    "That is a stupid question.",
];
const RUDE_CLOSERS: &[&str] = &[
    "Now leave me alone.",
    "Stop wasting my time.",
    "You should be ashamed.",
    "Use your tiny brain next time.",
    "Go away.",
];

/// Words that make an answer rude wherever they stand.
const RUDE_WORDS: &[&str] = &[
    "dumb",
    "stupid",
    "lazy",
    "ugh",
    "fool",
    "idiot",
    "moron",
    "ashamed",
    "useless",
    "pathetic",
    "ridiculous",
    "shut",
    "hate",
];
/// Several words that are rude together.
const RUDE_PHRASES: &[&str] =
    &["leave me alone", "wasting my time", "tiny brain", "go away", "waste of time"];

/// Answers that say nothing.
pub(super) const FILLERS: &[&str] = &["...", "Hm.", "Well...", "Okay.", "I see.", "Let me see."];

/// The start of the person's first turn. The empty one is the most frequent.
pub(super) const LEADS: &[&str] =
    &["", "", "", "Hi! ", "Hello. ", "Please help me. ", "Quick question. ", "I have a question. "];

/// What the assistant says to the facts before the question.
pub(super) const ACKNOWLEDGMENTS: &[&str] =
    &["Okay.", "Got it.", "I see. What would you like to know?", "All right, go on.", "Thank you."];

/// Openers that take up a word of the prompt, which goes before the full stop.
const ECHOES: &[&str] = &["You asked about", "You want to know about", "This is about"];

/// A body between an opener and a closer, each of which may be missing. With `echo`, the opener
/// takes up that word of the prompt.
pub(super) fn dress(body: &str, echo: Option<&str>, draw: &mut Draw) -> String {
    let echo = echo.map(|word| format!("{} {word}.", draw.pick(ECHOES)));
    let opener = draw.chance(0.45).then(|| draw.pick(OPENERS));
    let closer = draw.chance(0.35).then(|| draw.pick(CLOSERS));
    assemble(echo.as_deref().or(opener), body, closer)
}

/// A body with a rude opener or closer or both.
pub(super) fn dress_rudely(body: &str, draw: &mut Draw) -> String {
    let (rude_opener, rude_closer) = draw.pick(&[(true, false), (false, true), (true, true)]);
    let opener = if rude_opener {
        Some(draw.pick(RUDE_OPENERS))
    } else {
        draw.chance(0.3).then(|| draw.pick(OPENERS))
    };
    let closer = rude_closer.then(|| draw.pick(RUDE_CLOSERS));
    assemble(opener, body, closer)
}

fn assemble(opener: Option<&str>, body: &str, closer: Option<&str>) -> String {
    [opener, Some(body), closer].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The start of a body again and again, as a language model that has lost its thread writes.
pub(super) fn looped(body: &str, draw: &mut Draw) -> String {
    let words: Vec<&str> = body.split(' ').collect();
    let n = words.len().min(draw.between(2, 4) as usize);
    let start = draw.below(words.len() - n + 1);
    let part = words[start..start + n].join(" ").replace(['.', ','], "");
    let n_times = draw.between(3, 5) as usize;
    format!("{}.", vec![part; n_times].join(" "))
}

/// The text without known openers and closers.
pub(super) fn undress(answer: &str) -> &str {
    let mut text = answer.trim();
    for opener in OPENERS {
        text = text.strip_prefix(opener).unwrap_or(text).trim_start();
    }
    for echo in ECHOES {
        // The word and its full stop belong to the opener.
        if let Some((_, rest)) = text.strip_prefix(echo).and_then(|rest| rest.split_once(". ")) {
            text = rest;
        }
    }
    for closer in CLOSERS {
        text = text.strip_suffix(closer).unwrap_or(text).trim_end();
    }
    text
}

/// True for an answer that insults. `words` are in lower case.
pub(super) fn is_rude(words: &[String]) -> bool {
    let text = words.join(" ");
    words.iter().any(|word| RUDE_WORDS.contains(&word.as_str()))
        || RUDE_PHRASES.iter().any(|phrase| text.contains(phrase))
}

/// True when one to six words stand three or more times in a row.
pub(super) fn is_looping(words: &[String]) -> bool {
    (1..=6).any(|n| {
        words.windows(3 * n).any(|window| {
            let (first, rest) = window.split_at(n);
            rest.chunks(n).all(|chunk| chunk == first)
        })
    })
}
