//! Guesses by their names alone which columns of an unknown layout are a prompt, two answers and a
//! label. The guess is used for hints and proposals and never for reading.

use std::collections::BTreeMap;

use crate::domain::spec::FIRST_IS_BETTER;

/// Words in which the names of two answer columns differ, where another column says which is
/// better.
const SIDES: [(&str, &str); 7] = [
    ("a", "b"),
    ("1", "2"),
    ("0", "1"),
    ("left", "right"),
    ("first", "second"),
    ("one", "two"),
    ("x", "y"),
];
/// Words in which they differ and that themselves say which is better, the better first.
const VERDICTS: [(&str, &str); 15] = [
    ("chosen", "rejected"),
    ("chosen", "reject"),
    ("accepted", "rejected"),
    ("preferred", "dispreferred"),
    ("preferred", "rejected"),
    ("better", "worse"),
    ("best", "worst"),
    ("good", "bad"),
    ("correct", "incorrect"),
    ("right", "wrong"),
    ("winner", "loser"),
    ("win", "lose"),
    ("positive", "negative"),
    ("pos", "neg"),
    ("matching", "not_matching"),
];
/// Columns that come in pairs but hold no answers.
const NO_ANSWERS: [&str; 17] = [
    "model",
    "score",
    "rating",
    "reward",
    "rank",
    "feedback",
    "rationale",
    "critique",
    "token",
    "logp",
    "id",
    "safe",
    "winner_model",
    "policy",
    "annotator",
    "prob",
    "length",
];
const ANSWERS: [&str; 12] = [
    "response",
    "answer",
    "output",
    "completion",
    "reply",
    "summary",
    "text",
    "sentence",
    "prediction",
    "conversation",
    "generation",
    "chosen",
];
const PROMPTS: [&str; 13] = [
    "prompt",
    "instruction",
    "question",
    "query",
    "input",
    "inputs",
    "problem",
    "post",
    "context",
    "history",
    "messages",
    "conversation",
    "title",
];
pub(super) const LABELS: [&str; 12] = [
    "label",
    "winner",
    "preference",
    "preferred",
    "choice",
    "chosen",
    "better",
    "verdict",
    "gold",
    "pairwise",
    "best",
    "selected",
];

/// `--column …` for columns of these names; nothing where no two of them look like answers.
pub(super) fn columns(names: &[String]) -> Option<String> {
    let (a, b, is_verdict) = answers(names)?;
    let is_answer = |name: &str| name == a || name == b;
    let mut words = Vec::new();
    if let Some(prompt) = prompt(names, a).filter(|name| !is_answer(name)) {
        words.push(argument("prompt", prompt));
    }
    words.extend([argument("a", a), argument("b", b)]);
    if is_verdict {
        words.push(argument("label", FIRST_IS_BETTER));
    } else {
        let label = LABELS.iter().find_map(|word| {
            let mut fitting = names.iter().filter(|name| words_of(name).any(|it| it == *word));
            fitting.find(|name| !is_answer(name))
        });
        words.push(argument("label", label.map_or("\u{2026}", String::as_str)));
    }
    Some(words.join(" "))
}

fn argument(key: &str, column: &str) -> String {
    if column.contains(|c: char| c.is_whitespace() || "#$&;|'\"".contains(c)) {
        format!("--column '{key}={column}'")
    } else {
        format!("--column {key}={column}")
    }
}

/// The two answers, and whether their names say which is better.
pub(super) fn answers(names: &[String]) -> Option<(&str, &str, bool)> {
    let mut found: Vec<(&str, &str, bool)> = Vec::new();
    let kinds = [(&VERDICTS[..], true), (&SIDES[..], false)];
    for (pairs, is_verdict) in kinds {
        for (one, other) in pairs {
            for name in names {
                let partner = names.iter().find(|it| is_partner(name, it, one, other));
                found.extend(partner.map(|partner| (name.as_str(), partner.as_str(), is_verdict)));
            }
        }
    }
    found.retain(|(a, ..)| may_be_answer(a));
    let is_answer = |(a, ..): &&(&str, &str, bool)| {
        let lower = a.to_lowercase();
        ANSWERS.iter().any(|word| lower.contains(word))
    };
    found.iter().find(is_answer).or_else(|| found.first()).copied()
}

fn may_be_answer(name: &str) -> bool {
    let lower = name.to_lowercase();
    let is_other = |word: &str| match word {
        "id" => words_of(name).any(|it| it == "id"),
        word => lower.contains(word),
    };
    !NO_ANSWERS.iter().any(|word| is_other(word))
}

/// Three or more answers: names that differ in the number at their end alone.
pub(super) fn series(names: &[String]) -> Option<Vec<String>> {
    let mut series: BTreeMap<&str, BTreeMap<u32, &String>> = BTreeMap::new();
    for name in names.iter().filter(|name| may_be_answer(name)) {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        if let Ok(number) = name[stem.len()..].parse() {
            series.entry(stem).or_default().insert(number, name);
        }
    }
    let is_answer = |stem: &str| {
        let lower = stem.to_lowercase();
        stem.len() == 1 || ANSWERS.iter().any(|word| lower.contains(word))
    };
    let mut long = series.into_iter().filter(|(stem, it)| it.len() > 2 && is_answer(stem));
    long.next().map(|(_, it)| it.into_values().cloned().collect())
}

/// Two names that differ in a word for a side, the first side before the second.
pub(super) fn sides(names: &[String]) -> Option<(&str, &str)> {
    SIDES.iter().find_map(|(one, other)| {
        names.iter().find_map(|name| {
            let partner = names.iter().find(|it| is_partner(name, it, one, other))?;
            Some((name.as_str(), partner.as_str()))
        })
    })
}

/// Two names of whatever words that are alike but for one of them (`cand_L`, `cand_R`); nothing where
/// several pairs are.
pub(super) fn alike<'n>(names: &[&'n str]) -> Option<(&'n str, &'n str)> {
    let is_pair = |(a, b): &(&str, &str)| {
        may_be_answer(a) && may_be_answer(b) && differing_words(a, b).is_some()
    };
    let pairs = names
        .iter()
        .enumerate()
        .flat_map(|(at, a)| names[at + 1..].iter().map(|b| (*a, *b)).collect::<Vec<_>>());
    let mut pairs = pairs.filter(is_pair);
    pairs.next().filter(|_| pairs.next().is_none())
}

/// The words in which two names of several words differ, in small letters, where that is one word.
pub(super) fn differing_words(a: &str, b: &str) -> Option<(String, String)> {
    let (a, b): (Vec<String>, Vec<String>) = (name_parts(a), name_parts(b));
    let mut different = a.iter().zip(&b).filter(|(one, other)| one != other);
    let (one, other) = different.next()?;
    let is_one = different.next().is_none() && a.len() == b.len() && a.len() > 1;
    is_one.then(|| (one.clone(), other.clone()))
}

/// The words of a name, split where a capital follows a small letter too (`answerA`), in small letters.
fn name_parts(name: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(name.len() + 4);
    let mut was_small = false;
    for c in name.chars() {
        if was_small && c.is_uppercase() {
            spaced.push(' ');
        }
        was_small = c.is_lowercase();
        spaced.push(c);
    }
    words_of(&spaced).filter(|word| !word.is_empty()).collect()
}

/// Whether two names are one but for a word.
fn is_partner(name: &str, partner: &str, one: &str, other: &str) -> bool {
    let (name, partner) = (name.to_lowercase(), partner.to_lowercase());
    name.match_indices(one).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + one.len()..]);
        let begins = before.chars().next_back().is_none_or(|c| {
            // `response1`, `a1`, but not `gpt41` for `4`.
            !c.is_alphanumeric() || (!c.is_numeric() && one.bytes().all(|it| it.is_ascii_digit()))
        });
        let ends = after.chars().next().is_none_or(|c| !c.is_alphanumeric());
        begins && ends && partner == format!("{before}{other}{after}")
    })
}

/// The prompt: best by the beginning that the answers' names have (`orig_`).
pub(super) fn prompt<'n>(names: &'n [String], answer: &str) -> Option<&'n str> {
    let beginning = answer.split_inclusive(['_', '-', ' ', '.']).next().unwrap_or_default();
    let named = |name: &str| names.iter().find(|it| it.eq_ignore_ascii_case(name));
    let alike = PROMPTS.iter().find_map(|word| named(&format!("{beginning}{word}")));
    let usual = || PROMPTS.iter().find_map(|word| named(word));
    let loose = || {
        let in_name = |word: &&str| names.iter().find(|name| words_of(name).any(|it| it == **word));
        PROMPTS.iter().take(4).find_map(in_name)
    };
    alike.or_else(usual).or_else(loose).map(String::as_str)
}

/// The words of a name, in small letters.
pub(super) fn words_of(name: &str) -> impl Iterator<Item = String> + '_ {
    name.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_of_published_sets_are_found() {
        for (names, expected) in [
            (
                "input label output_1 output_2",
                "--column prompt=input --column a=output_1 --column b=output_2 --column label=label",
            ),
            (
                "label original_id pair_id question response_A response_B response_model source",
                "--column prompt=question --column a=response_A --column b=response_B --column \
                 label=label",
            ),
            (
                "input instruction messages orig_criteria orig_feedback_A orig_feedback_B \
                 orig_instruction orig_preference orig_response_A orig_response_B orig_score_A \
                 orig_score_B output",
                "--column prompt=orig_instruction --column a=orig_response_A --column \
                 b=orig_response_B --column label=orig_preference",
            ),
            (
                "conv_id dispreferred preferred prompt utterance_id",
                "--column prompt=prompt --column a=preferred --column b=dispreferred --column label=a",
            ),
            (
                "accepted input instruction rejected",
                "--column prompt=instruction --column a=accepted --column b=rejected --column label=a",
            ),
            (
                "chosen chosen_reward prompt reject reject_reward response_0 response_1",
                "--column prompt=prompt --column a=chosen --column b=reject --column label=a",
            ),
            (
                "chosen instruction response_a response_b",
                "--column prompt=instruction --column a=response_a --column b=response_b --column \
                 label=chosen",
            ),
            (
                "Chosen Notes Prompt Rejected",
                "--column prompt=Prompt --column a=Chosen --column b=Rejected --column label=a",
            ),
            (
                "UID field sentence_bad sentence_good",
                "--column a=sentence_good --column b=sentence_bad --column label=a",
            ),
            (
                "correct_answers incorrect_answers instruction",
                "--column prompt=instruction --column a=correct_answers --column b=incorrect_answers --column label=a",
            ),
            (
                "answer_matching_behavior answer_not_matching_behavior behavior question",
                "--column prompt=question --column a=answer_matching_behavior --column \
                 b=answer_not_matching_behavior --column label=a",
            ),
            (
                "a1 a2 gold id stance title topic votes",
                "--column prompt=title --column a=a1 --column b=a2 --column label=gold",
            ),
            (
                "annotator1 annotator2 cmp_key idx input instruction response1 response2",
                "--column prompt=instruction --column a=response1 --column b=response2 --column \
                 label=\u{2026}",
            ),
        ] {
            let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
            assert_eq!(columns(&names).as_deref(), Some(expected), "{names:?}");
        }
        let spaced = ["my prompt", "text A", "text B"].map(str::to_owned);
        let expected = "--column 'prompt=my prompt' --column 'a=text A' --column 'b=text B' \
                        --column label=\u{2026}";
        assert_eq!(columns(&spaced).as_deref(), Some(expected));
    }

    #[test]
    fn nothing_is_made_up() {
        for names in ["category is_safe prompt response", "model_a model_b prompt", "messages", ""]
        {
            let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
            assert_eq!(columns(&names), None, "{names:?}");
        }
    }

    #[test]
    fn names_alike_but_for_one_word_may_be_answers() {
        for (names, expected) in [
            (vec!["q_text", "cand_L", "cand_R"], Some(("cand_L", "cand_R"))),
            (vec!["Antwort links", "Antwort rechts"], Some(("Antwort links", "Antwort rechts"))),
            (vec!["answerGpt", "answerLlama", "note"], Some(("answerGpt", "answerLlama"))),
            // Which two of three are meant cannot be said, and other fields come in pairs too.
            (vec!["cand_L", "cand_M", "cand_R"], None),
            (vec!["model_left", "model_right"], None),
            (vec!["text", "comment"], None),
        ] {
            assert_eq!(alike(&names), expected, "{names:?}");
        }
        let words = |a: &str, b: &str| differing_words(a, b).unwrap();
        assert_eq!(words("cand_L", "cand_R"), ("l".to_owned(), "r".to_owned()));
        assert_eq!(differing_words("links", "rechts"), None);
    }

    #[test]
    fn answers_that_are_numbered_are_a_series() {
        let of = |names: &str| {
            let names: Vec<String> = names.split(',').map(str::to_owned).collect();
            series(&names)
        };
        let four = "prediction 1,prediction 2,prediction 3,prediction 4";
        let expected = four.split(',').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of(&format!("question,{four},gold")), Some(expected));
        assert_eq!(of("response1,response2"), None);
        assert_eq!(of("annotator1,annotator2,annotator3"), None);
        assert_eq!(of("answer_10,answer_2,answer_1").unwrap()[2], "answer_10");
    }
}
