//! A spec as a file with the comments of the default one, so that every key says what it means where
//! it is edited.

use std::collections::BTreeMap;

use super::layer::{self, Origin};
use super::{DEFAULT, POLICY, SpecResult, to_toml};
use crate::domain::spec::ExperimentSpec;

/// What stands above the keys, in place of what the default says of itself.
const HEAD: &str = "\
# Every key of a run, with what it means. `ser run FILE` starts a run from it. A share is written with a
# fraction (0.15), a count as a whole number (300).
";

/// The spec with a comment on every key. Values that are the default's stand as the default writes
/// them.
///
/// # Errors
/// When a value has no TOML form.
pub fn commented(spec: &ExperimentSpec) -> SpecResult<String> {
    let values = |text: &str| -> SpecResult<BTreeMap<String, toml::Value>> {
        let assignments = layer::parse(text, |_| Origin::Default)?;
        Ok(assignments.into_iter().map(|it| (it.key, it.value)).collect())
    };
    let mut wanted = values(&to_toml(spec)?)?;
    let mut defaults = values(DEFAULT)?;
    defaults.extend(values(POLICY)?);
    let mut out = HEAD.to_owned();
    let mut table = String::new();
    // Their heads say that they are the defaults.
    let body = |text: &'static str| text.lines().skip_while(|line| !line.is_empty());
    let of_policy = spec.policy.iter().flat_map(|_| body(POLICY));
    for line in body(DEFAULT).chain(of_policy) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = format!("{name}.");
        }
        let name = line.split_once(" = ").map(|(name, _)| name).filter(|it| !it.starts_with('#'));
        let key = name.map(|name| format!("{table}{name}"));
        let value = key.as_ref().and_then(|key| Some((key, wanted.remove(key)?)));
        match value.filter(|(key, value)| defaults.get(*key) != Some(value)) {
            Some((_, value)) => {
                out.push_str(name.unwrap_or_default());
                out.push_str(" = ");
                out.push_str(&value.to_string());
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{self, SpecInput};

    /// What stands below the head.
    fn body(text: &str) -> &str {
        text.split_once("\n\n").map_or(text, |(_, body)| body)
    }

    fn comments(text: &str) -> usize {
        body(text).lines().filter(|line| line.starts_with('#')).count()
    }

    #[test]
    fn every_arm_comes_back_with_its_comments() {
        for arm in spec::arms() {
            let sets = [
                "data.source=[{path=\"a.jsonl\", weight=2.0}, {path=\"b\\\"c.jsonl\", weight=1.0}]",
            ];
            let sets = sets.map(str::to_owned);
            for sets in [&[][..], &sets[..]] {
                let input = SpecInput { arm: Some(arm), sets, ..SpecInput::default() };
                let spec = spec::resolve(&input).unwrap();
                let text = commented(&spec).unwrap();
                assert_eq!(spec::form::check(Some(&text), &[], &[]).unwrap(), spec, "{text}");
                assert_eq!(comments(&text), comments(DEFAULT));
            }
        }
    }

    #[test]
    fn a_default_is_written_as_the_default_writes_it() {
        let text = commented(&spec::resolve(&SpecInput::default()).unwrap()).unwrap();
        // `auto` is resolved, so that a stored spec says what it means.
        let text = text.replace("test = \"embedded\"", "test = \"auto\"");
        assert_eq!(body(&text), body(DEFAULT));
    }
}
