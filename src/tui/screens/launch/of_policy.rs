//! What the form does about a policy: whose keys it shows, and what another objective changes.

use super::{Launch, RowKey};
use crate::domain::policy::settings::ObjectiveName;
use crate::domain::spec::ExperimentSpec;
use crate::spec;
use crate::spec::form;

/// The key that decides what the other ones are by themselves.
const OBJECTIVE: &str = "policy.objective";

/// Whether only a policy run has this key.
pub fn is_its_key(key: &str) -> bool {
    key.starts_with("policy.")
}

/// The key of a `key=value`.
fn key_of(set: &str) -> &str {
    set.split_once('=').map_or(set, |(key, _)| key)
}

impl Launch {
    fn policy_row(&self, wanted: &str) -> Option<&super::FormRow> {
        self.rows.iter().find(|row| matches!(&row.key, RowKey::Spec(key) if key == wanted))
    }

    /// What makes a policy of the spec, without the rows that a person has changed.
    pub(super) fn unchanged_sets(&self) -> Vec<String> {
        let is_changed =
            |set: &String| self.policy_row(key_of(set)).is_some_and(super::FormRow::is_changed);
        self.policy.iter().filter(|set| !is_changed(set)).cloned().collect()
    }

    /// Gives the rows of the policy the numbers of the objective chosen, as `ser run --set
    /// policy.objective=…` does; those that a person has changed stay.
    pub(super) fn rebase(&mut self) {
        let Some(row) = self.policy_row(OBJECTIVE) else { return };
        let (objective, first) = (row.value.clone(), row.before.clone());
        if self.objective.is_empty() {
            // The form was filled in with these numbers.
            self.objective = first;
        }
        if self.objective == objective || objective.parse::<ObjectiveName>().is_err() {
            return;
        }
        let others = self.policy.iter().filter(|set| key_of(set) != OBJECTIVE).cloned();
        let sets: Vec<String> = others.chain([format!("{OBJECTIVE}={objective}")]).collect();
        let Ok(spec) = form::check(self.base.as_deref(), &[], &sets) else { return };
        let Ok(text) = spec::to_toml(&spec) else { return };
        let values = form::values(Some(&text)).unwrap_or_default();
        for row in &mut self.rows {
            let RowKey::Spec(key) = &row.key else { continue };
            let value = values.iter().find(|(known, _)| known == key);
            let Some((_, value)) = value.filter(|_| is_its_key(key) && key != OBJECTIVE) else {
                continue;
            };
            let is_changed = row.is_changed();
            row.before = super::bare(value);
            if !is_changed {
                row.value.clone_from(&row.before);
            }
        }
        self.objective = objective;
    }

    /// Whether an edited file is of the kind that this form has rows for.
    ///
    /// # Errors
    /// What to do where it is of the other kind.
    pub(super) fn check_kind(&self, spec: &ExperimentSpec) -> Result<(), String> {
        match (self.policy_row(OBJECTIVE).is_some(), spec.policy.is_some()) {
            (false, true) => {
                Err("the file has `[policy]`, which this form has no rows for: P in the \
                 runs list fills in a policy"
                    .to_owned())
            }
            (true, false) => {
                Err("the file has no `[policy]` any more, and this form is of a policy: \
                 t fills in another run"
                    .to_owned())
            }
            (true, true) | (false, false) => Ok(()),
        }
    }
}
