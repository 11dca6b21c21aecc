//! Names and ids of new runs.

use rusqlite::Transaction;

use super::error::StoreError;
use crate::domain::random::text_hash;
use crate::domain::run::RunId;
use crate::domain::spec::{ExperimentSpec, recipe_of_arm};

/// Longest name of a run; a longer one would not fit a table.
const NAME_LENGTH_MAX: usize = 80;

/// Checks a name that a person asked for: it must be possible to type and show it, and no other run
/// may have it.
pub(super) fn checked_name(
    transaction: &Transaction<'_>,
    name: &str,
) -> Result<String, StoreError> {
    require_fit(name, "a run")?;
    if is_taken(transaction, name)? {
        return Err(StoreError::NameTaken { name: name.to_owned() });
    }
    Ok(name.to_owned())
}

/// Refuses a name that cannot be typed or shown; `what` it is for stands in the message.
pub(super) fn require_fit(name: &str, what: &'static str) -> Result<(), StoreError> {
    let bad = |reason| Err(StoreError::BadName { name: name.to_owned(), what, reason });
    if name.trim() != name || name.is_empty() {
        return bad("it is empty or has spaces around it");
    }
    if name.chars().count() > NAME_LENGTH_MAX {
        return bad("it is longer than 80 characters");
    }
    if name.chars().any(char::is_control) {
        return bad("it holds control characters");
    }
    Ok(())
}

fn is_taken(transaction: &Transaction<'_>, name: &str) -> Result<bool, StoreError> {
    Ok(transaction.prepare_cached("SELECT 1 FROM runs WHERE name = ?1")?.exists([name])?)
}

/// `ARM-MODEL-sSEED` (of a policy `ARM-OBJECTIVE-MODEL-sSEED`), or `EXPERIMENT-ARM-sSEED`, with the first free of `-2`, `-3`, … behind it where
/// it is taken.
pub(super) fn default_name(
    transaction: &Transaction<'_>,
    spec: &ExperimentSpec,
    experiment: Option<&str>,
) -> Result<String, StoreError> {
    let model = std::path::Path::new(&spec.model.backbone)
        .file_name()
        .map_or_else(|| spec.model.backbone.clone(), |name| name.to_string_lossy().into_owned());
    let words = |text: &str| -> String {
        text.chars().filter(|c| !c.is_control() && !c.is_whitespace()).take(24).collect()
    };
    let (arm, rng_seed) = (words(recipe_of_arm(&spec.arm)), spec.rng_seed);
    // A policy is told from the others by its objective.
    let arm = match &spec.policy {
        Some(policy) => format!("{arm}-{}", policy.objective.name().replace('_', "-")),
        None => arm,
    };
    let base = match experiment {
        Some(experiment) => format!("{}-{arm}-s{rng_seed}", words(&experiment.replace(' ', "-"))),
        None => format!("{arm}-{}-s{rng_seed}", words(&model)),
    };
    let mut name = base.clone();
    let mut suffix = 2;
    while is_taken(transaction, &name)? {
        name = format!("{base}-{suffix}");
        suffix += 1;
    }
    Ok(name)
}

/// An unused id. Ids need not be secret: the clock, the process and the name are mixed until the
/// result is unused.
pub(super) fn unused_id(transaction: &Transaction<'_>, name: &str) -> Result<RunId, StoreError> {
    let nanoseconds = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let mut salt = 0_u64;
    loop {
        let text = format!("{nanoseconds} {} {name} {salt}", std::process::id());
        let id = RunId::from_bits(text_hash(&text));
        let sql = "SELECT 1 FROM runs WHERE id = ?1 OR name = ?1";
        if !transaction.prepare_cached(sql)?.exists([id.as_str()])? {
            return Ok(id);
        }
        salt += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NewRun, testing};
    use super::*;

    #[test]
    fn unfit_and_taken_names_are_refused() {
        let mut fixture = testing::store();
        fixture.run("taken");
        let spec = testing::spec();
        let dataset = fixture.dataset;
        let mut create = |name: &str| {
            let name = Some(name.to_owned());
            let new = NewRun { name, spec: &spec, dataset, test_dataset: None, experiment: None };
            fixture.store.create_run(&new).map(|row| row.name)
        };
        assert_eq!(create("ürsprung 2").unwrap(), "ürsprung 2");
        let error = create("taken").unwrap_err();
        assert_eq!(error.to_string(), "a run named `taken` exists already");
        let error = create("red\u{1b}[31m").unwrap_err().to_string();
        assert_eq!(error, "`red\\u{1b}[31m` is not a name for a run: it holds control characters");
        for bad in ["", " x", "x ", &"x".repeat(81)] {
            assert!(matches!(create(bad), Err(StoreError::BadName { .. })), "{bad}");
        }
    }

    #[test]
    fn default_names_come_from_arm_model_and_seed() {
        let mut fixture = testing::store();
        let mut spec = testing::spec();
        spec.model.backbone = "/models/all-MiniLM-L6-v2/".into();
        let transaction = fixture.store.connection.transaction().unwrap();
        let name = |spec: &ExperimentSpec, experiment: Option<&str>| {
            default_name(&transaction, spec, experiment).unwrap()
        };
        assert_eq!(name(&spec, None), "ser-all-MiniLM-L6-v2-s3");
        assert_eq!(name(&spec, Some("is it warm")), "is-it-warm-ser-s3");
        spec.arm = "a b\n".repeat(30);
        for experiment in [None, Some("x".repeat(80))] {
            let length = name(&spec, experiment.as_deref()).chars().count();
            assert!(length <= NAME_LENGTH_MAX, "{length}");
        }
    }
}
