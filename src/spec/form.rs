//! A spec as a form: every key with what it means, what it may be and what it is, and the check
//! that runs at every key press. Nothing here reads a file.

use std::sync::OnceLock;

use super::SpecError;
use super::layer::{self, Origin};
use super::of_policy;
use super::{DEFAULT, Draft, POLICY, SpecInput, SpecResult, put_together};
use crate::domain::spec::ExperimentSpec;

/// What a form says about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHelp {
    /// Dotted, such as `train.learning_rate`.
    pub key: String,
    /// What it means, in one line.
    pub help: String,
    /// The values it may have, where they can be listed.
    pub choices: Vec<String>,
}

/// Every key in the order of the default spec, those of a policy run last, without the arm and the random
/// seed, for which a form asks by several values at once, and without the kind, which the keys decide.
///
/// # Errors
/// When the default spec cannot be read.
pub fn keys() -> SpecResult<Vec<KeyHelp>> {
    // Asking for the values of every key takes milliseconds, and nothing in it changes.
    static KEYS: OnceLock<Vec<KeyHelp>> = OnceLock::new();
    if let Some(keys) = KEYS.get() {
        return Ok(keys.clone());
    }
    let read = || {
        let both = [DEFAULT, POLICY].map(|text| read_keys(text).unwrap_or_default());
        both.concat()
    };
    Ok(KEYS.get_or_init(read).clone())
}

fn read_keys(text: &str) -> SpecResult<Vec<KeyHelp>> {
    let lines: Vec<&str> = text.lines().collect();
    let assignments = layer::parse(text, |line| Origin::File { path: "default".into(), line })?;
    let mut keys = Vec::new();
    for assignment in assignments {
        let Origin::File { line, .. } = assignment.origin else { continue };
        if matches!(assignment.key.as_str(), "arm" | "kind" | "rng_seed") {
            continue;
        }
        let choices = match &assignment.value {
            toml::Value::Boolean(_) => vec!["true".to_owned(), "false".to_owned()],
            toml::Value::String(_) => variants(&assignment.key),
            _ => Vec::new(),
        };
        keys.push(KeyHelp { key: assignment.key, help: comment(&lines, line - 1), choices });
    }
    Ok(keys)
}

/// The values of a spec file by key, as the file writes them; without one those of the default.
///
/// # Errors
/// When the text is not TOML.
pub fn values(base: Option<&str>) -> SpecResult<Vec<(String, String)>> {
    let assignments = layer::parse(base.unwrap_or(DEFAULT), |_| Origin::Default)?;
    Ok(assignments.into_iter().map(|a| (a.key, a.value.to_string())).collect())
}

/// The first spec that `ser run [BASE] [--arm ARM]... --set …` would run; `base` is the text of a
/// spec file.
///
/// # Errors
/// What is wrong with any of them, as the command would say it.
pub fn check(base: Option<&str>, arms: &[&str], sets: &[String]) -> SpecResult<ExperimentSpec> {
    let origin = |line| Origin::File { path: "spec.toml".into(), line };
    let file = base.map(|text| layer::parse(text, origin)).transpose()?.unwrap_or_default();
    let of = |arm| {
        put_together(file.clone(), &SpecInput { arm, beside: arms, sets, ..SpecInput::default() })
    };
    let first = of(arms.first().copied())?;
    arms.iter().skip(1).try_for_each(|arm| of(Some(arm)).map(drop))?;
    Ok(first)
}

/// Whether a `key=value` names an existing key and has a value of its type.
///
/// # Errors
/// What is wrong, as the command would say it.
pub fn check_type(set: &str) -> SpecResult {
    let set = layer::parse_set(set)?;
    Draft::new(of_policy::objective(&[], std::slice::from_ref(&set)))?.apply(set)
}

/// What is wrong with a value of a key, without the key and the place that a form shows anyway.
pub fn problem(error: &SpecError) -> String {
    let text = error.to_string();
    let tail = text.split_once(", expected ").map(|(_, tail)| format!("expected {tail}"));
    let tail = tail.or_else(|| text.split_once(", which is not ").map(|(_, t)| format!("not {t}")));
    tail.unwrap_or(text)
}

/// The values that an enumeration takes, read from serde's message about a wrong one.
fn variants(key: &str) -> Vec<String> {
    let Err(error) = check(None, &[], &[format!("{key}=\"?\"")]) else { return Vec::new() };
    let text = error.to_string();
    let Some((_, list)) = text.split_once("expected ") else { return Vec::new() };
    // Odd parts stand between backticks.
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The comment lines above a line, or above the group of keys it belongs to.
fn comment(lines: &[&str], line: usize) -> String {
    let is_comment = |at: usize| lines[at].starts_with('#');
    let mut end = line;
    // Keys that follow each other share the comment above the first of them.
    while end > 0 && !is_comment(end - 1) && !lines[end - 1].trim().is_empty() {
        end -= 1;
    }
    let mut start = end;
    while start > 0 && is_comment(start - 1) {
        start -= 1;
    }
    let words = lines[start..end].iter().map(|line| line.trim_start_matches('#').trim());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_says_what_it_means_and_what_it_may_be() {
        let keys = keys().unwrap();
        let find = |key: &str| keys.iter().find(|k| k.key == key).unwrap();
        assert_eq!(find("train.schedule").choices, ["linear", "cosine", "constant"]);
        assert_eq!(find("rounds.include_seed_set").choices, ["true", "false"]);
        assert_eq!(find("model.backbone").choices, [""; 0]);
        assert!(find("train.learning_rate").help.starts_with("Peak learning rate"));
        assert!(find("selection.low_threshold").help.contains("`low_threshold`"));
        for (at, key) in keys.iter().enumerate() {
            assert!(!key.help.is_empty(), "{}", key.key);
            let of_policy = key.key.starts_with("policy.");
            let is_same = |it: &&KeyHelp| it.key.starts_with("policy.") && it.help == key.help;
            let same = keys[..at].iter().find(is_same);
            assert!(!of_policy || same.is_none(), "{} is explained as another key", key.key);
        }
    }

    #[test]
    fn a_form_is_checked_as_the_command_is() {
        let spec = check(None, &["seed-only"], &["train.epochs=7".to_owned()]).unwrap();
        assert_eq!((spec.arm.as_str(), spec.train.epochs, spec.rounds.max), ("seed-only", 7, 0));
        let base = super::super::to_toml(&spec).unwrap();
        assert_eq!(check(Some(&base), &[], &[]).unwrap(), spec);
        let problem_of = |set: &str| problem(&check(None, &[], &[set.to_owned()]).unwrap_err());
        assert_eq!(problem_of("train.epochs=0"), "not from 1 to 1000");
        assert_eq!(problem_of("train.epochs=x"), "expected a whole number, 0 or more");
        assert_eq!(problem_of("train.loss=x"), "expected `bradley_terry` or `hinge`");
        let values = values(Some(&base)).unwrap();
        assert!(values.contains(&("train.epochs".to_owned(), "7".to_owned())));
    }
}
