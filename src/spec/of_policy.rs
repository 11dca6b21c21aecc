//! The keys of `[policy]`: which of them a spec has, and what they are when nobody sets them.

use super::SpecResult;
use super::error::{SpecError, refuse};
use super::layer::{self, Assignment, Origin};
use crate::domain::policy::settings::{ObjectiveName, PolicySpec};
use crate::domain::run::RunKind;

const OBJECTIVE: &str = "policy.objective";

/// Whether a key is one of a policy run.
fn is_of_policy(assignment: &Assignment) -> bool {
    assignment.key.starts_with("policy.") || assignment.key == "policy"
}

fn objective_in(layer: &[Assignment]) -> Option<ObjectiveName> {
    let last = layer.iter().rev().find(|it| it.key == OBJECTIVE)?;
    last.value.as_str()?.parse().ok()
}

/// The objective whose numbers a spec starts from; `None` for a spec of another kind. A value that names
/// none is refused when it is applied.
pub(super) fn objective(file: &[Assignment], sets: &[Assignment]) -> Option<ObjectiveName> {
    let names_kind =
        |it: &Assignment| it.key == "kind" && it.value.as_str() == Some(RunKind::Policy.name());
    let is_policy = file.iter().chain(sets).any(|it| is_of_policy(it) || names_kind(it));
    is_policy.then(|| objective_in(sets).or_else(|| objective_in(file)).unwrap_or_default())
}

/// The assignments of a file without those that only repeat what another objective sets by itself: a stored
/// spec of RLOO that is run again with GRPO takes GRPO's numbers, and keeps what a person had changed.
pub(super) fn without_defaults(
    file: Vec<Assignment>,
    objective: Option<ObjectiveName>,
) -> Vec<Assignment> {
    let Some(of_file) = objective_in(&file).filter(|it| Some(*it) != objective) else {
        return file;
    };
    let Ok(defaults) = defaults(of_file) else { return file };
    let is_default =
        |it: &Assignment| defaults.iter().any(|(key, value)| *key == it.key && *value == it.value);
    file.into_iter().filter(|it| !is_default(it)).collect()
}

/// The table `[policy]` of an objective.
///
/// # Errors
/// When it has no TOML form.
pub(super) fn table(objective: ObjectiveName) -> SpecResult<toml::Value> {
    toml::Value::try_from(PolicySpec::of(objective)).map_err(|error| unwritten(&error))
}

/// Every key of the table with the value that the objective gives it.
///
/// # Errors
/// When it has no TOML form.
pub(super) fn defaults(objective: ObjectiveName) -> SpecResult<Vec<(String, toml::Value)>> {
    let text = toml::to_string(&PolicySpec::of(objective)).map_err(|error| unwritten(&error))?;
    let named = layer::parse(&text, |_| Origin::Default)?;
    Ok(named.into_iter().map(|it| (format!("policy.{}", it.key), it.value)).collect())
}

fn unwritten(error: &toml::ser::Error) -> SpecError {
    refuse(format!("cannot write the default policy: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::ExperimentSpec;
    use crate::spec::{POLICY, SpecInput, commented, form, resolve, to_toml};

    fn of(sets: &[&str]) -> SpecResult<ExperimentSpec> {
        let sets: Vec<String> = sets.iter().map(|it| (*it).to_owned()).collect();
        resolve(&SpecInput { sets: &sets, ..SpecInput::default() })
    }

    #[test]
    fn the_commented_keys_are_those_of_the_default_objective() {
        let mut written: Vec<(String, toml::Value)> = layer::parse(POLICY, |_| Origin::Default)
            .unwrap()
            .into_iter()
            .map(|it| (it.key, it.value))
            .collect();
        let mut defaults = defaults(ObjectiveName::default()).unwrap();
        written.sort_by(|a, b| a.0.cmp(&b.0));
        defaults.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(written, defaults);
        assert!(form::keys().unwrap().iter().all(|it| !it.help.is_empty()));
    }

    #[test]
    fn a_key_of_the_policy_makes_a_policy_run_with_the_numbers_of_its_objective() {
        let spec = of(&["policy.objective=ppo", "policy.reward=r1"]).unwrap();
        let policy = PolicySpec { reward: "r1".into(), ..PolicySpec::of(ObjectiveName::Ppo) };
        assert_eq!((spec.kind, spec.policy.as_deref()), (RunKind::Policy, Some(&policy)));
        assert_eq!(of(&[]).unwrap().policy, None);
        for (sets, message) in [
            (
                &["policy.objective=ppo"][..],
                "`policy.objective` is ppo in `--set policy.objective=ppo`, which is not possible without a \
                 reward",
            ),
            (&["policy.stepz=3"], "unknown key `policy.stepz` in `--set policy.stepz=3`"),
            (
                &["kind=ser", "policy.steps=3", "policy.reward=x"],
                "`kind` is ser in `--set kind=ser`",
            ),
            (
                &["policy.objective=reinforce"],
                "`policy.objective` is reinforce in `--set policy.objective=reinforce`, expected",
            ),
        ] {
            let error = of(sets).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn a_stored_policy_is_run_again_with_what_was_changed() {
        let first = of(&["policy.objective=rloo", "policy.reward=r1", "policy.steps=7"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("spec.toml");
        for text in [to_toml(&first).unwrap(), commented(&first).unwrap()] {
            std::fs::write(&path, text).unwrap();
            let again = SpecInput { file: Some(&path), ..SpecInput::default() };
            assert_eq!(resolve(&again).unwrap(), first);
            let sets = ["policy.objective=grpo".to_owned()];
            let grpo = resolve(&SpecInput { sets: &sets, ..again }).unwrap();
            let want =
                PolicySpec { reward: "r1".into(), steps: 7, ..PolicySpec::of(ObjectiveName::Grpo) };
            assert_eq!(grpo.policy.as_deref(), Some(&want));
        }
    }
}
