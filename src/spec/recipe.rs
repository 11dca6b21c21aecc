//! Recipes: the arms that are known by name, the keys that each sets, and what may be changed of them.
//!
//! An arm is compared with others by its name, so a name must keep its meaning. Some keys are *locked*:
//! with another value the recipe would be another one (a `seed-only` that trains on pseudo-labels is no
//! lower control). Any other key of a recipe may be changed; the arm is then called `NAME*`
//! everywhere, and no longer counts as the recipe of that name.

use super::error::{SpecError, SpecResult, refuse};
use super::layer::{self, Assignment, Origin};
use super::nearest;
use crate::domain::spec::{ExperimentSpec, changed_arm, recipe_of_arm};

/// A known recipe.
struct Recipe {
    name: &'static str,
    /// The keys it sets, as TOML.
    text: &'static str,
    /// The keys that make it what it is.
    locked: &'static [&'static str],
}

const RECIPES: [Recipe; 7] = [
    Recipe {
        name: "ser",
        text: include_str!("../../assets/arms/ser.toml"),
        locked: &["rounds.pool_labels"],
    },
    Recipe {
        name: "seed-only",
        text: include_str!("../../assets/arms/seed-only.toml"),
        locked: &["rounds.max", "rounds.pool_labels"],
    },
    Recipe {
        name: "full-labels",
        text: include_str!("../../assets/arms/full-labels.toml"),
        locked: &["rounds.pool_labels"],
    },
    Recipe {
        name: "naive",
        text: include_str!("../../assets/arms/naive.toml"),
        locked: &["selection.rule", "rounds.pool_labels"],
    },
    Recipe {
        name: "confidence",
        text: include_str!("../../assets/arms/confidence.toml"),
        locked: &["selection.rule", "rounds.pool_labels"],
    },
    Recipe {
        name: "ser-paper",
        text: include_str!("../../assets/arms/ser-paper.toml"),
        locked: &["selection.rule", "rounds.pool_labels"],
    },
    Recipe {
        name: "ser-code",
        text: include_str!("../../assets/arms/ser-code.toml"),
        locked: &["selection.rule", "rounds.pool_labels"],
    },
];

/// The names of the known recipes.
pub fn arms() -> impl Iterator<Item = &'static str> {
    RECIPES.iter().map(|recipe| recipe.name)
}

/// What to know of an arm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArmHelp {
    /// The comment at the head of its recipe, as one line.
    pub about: String,
    /// The keys it sets, each as `key = value`, with those first that make it what it is.
    pub sets: Vec<String>,
}

/// What a known arm is; nothing for any other name.
#[must_use]
pub fn about_arm(name: &str) -> Option<ArmHelp> {
    let recipe = recipe(name)?;
    let head = recipe.text.lines().map_while(|line| line.strip_prefix('#'));
    let about: Vec<&str> = head.map(str::trim).collect();
    let mut layer = recipe.layer().ok()?;
    layer.sort_by_key(|it| !recipe.locked.contains(&it.key.as_str()));
    let sets = layer.into_iter().map(|it| format!("{} = {}", it.key, it.value)).collect();
    Some(ArmHelp { about: about.join(" "), sets })
}

/// A key of a recipe that a spec sets to another value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeChange {
    /// Dotted, such as `rounds.max`.
    pub key: String,
    /// The value in the spec, as TOML.
    pub value: String,
    /// The value in the recipe, as TOML.
    pub recipe: String,
}

/// Where a spec differs from the recipe that its arm is named after; nothing for an arm of one's own.
///
/// # Errors
/// When the spec has no TOML form.
pub fn changes(spec: &ExperimentSpec) -> SpecResult<Vec<RecipeChange>> {
    let Some(recipe) = recipe(recipe_of_arm(&spec.arm)) else { return Ok(Vec::new()) };
    let table = toml::Table::try_from(spec)
        .map_err(|error| refuse(format!("cannot write the spec: {error}")))?;
    let change = |assignment: Assignment| {
        let value = value(&table, &assignment.key)?;
        (*value != assignment.value).then(|| RecipeChange {
            value: value.to_string(),
            recipe: assignment.value.to_string(),
            key: assignment.key,
        })
    };
    Ok(recipe.layer()?.into_iter().filter_map(change).collect())
}

fn value<'a>(table: &'a toml::Table, key: &str) -> Option<&'a toml::Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((section, rest)) => value(table.get(section)?.as_table()?, rest),
    }
}

/// Names the arm of a spec after what became of its recipe.
///
/// # Errors
/// When a locked key was changed. `origin` tells where a key was set, `beside` are all arms that
/// were asked for.
pub(super) fn named<'a>(
    mut spec: ExperimentSpec,
    origin: impl Fn(&str) -> Option<&'a Origin>,
    beside: &[&str],
) -> SpecResult<ExperimentSpec> {
    let name = recipe_of_arm(&spec.arm).to_owned();
    let Some(recipe) = recipe(&name) else { return Ok(spec) };
    let changes = changes(&spec)?;
    if let Some(change) = changes.iter().find(|it| recipe.locked.contains(&it.key.as_str())) {
        return Err(broken(change, &name, origin(&change.key), beside));
    }
    spec.arm = if changes.is_empty() { name } else { changed_arm(&name) };
    Ok(spec)
}

fn broken(change: &RecipeChange, arm: &str, origin: Option<&Origin>, beside: &[&str]) -> SpecError {
    let RecipeChange { key, value, recipe } = change;
    let place = origin.map_or_else(String::new, |origin| format!(" in {origin}"));
    let message = format!("`{key}` is {value}{place}, but {recipe} makes arm `{arm}` what it is");
    let others = beside.iter().filter(|other| **other != arm && !is_locked(other, key, value));
    let sets: Vec<String> =
        others.map(|other| format!("`--set {other}:{key}={}`", bare(value))).collect();
    refuse(message).with_hint(if sets.is_empty() {
        "leave the key out, take another arm (`--arm ser`), or give the recipe a name of your own \
         (`arm = \"mine\"` in a spec file)"
            .to_owned()
    } else {
        format!("set it for the other arms alone: {}", sets.join(" "))
    })
}

/// A TOML value as `--set` takes it.
fn bare(value: &str) -> &str {
    value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value)
}

/// Whether an arm keeps a key at another value than this, which is written as TOML or bare.
#[must_use]
pub fn is_locked(arm: &str, key: &str, value: &str) -> bool {
    let Some(recipe) = recipe(arm).filter(|recipe| recipe.locked.contains(&key)) else {
        return false;
    };
    let own = recipe.layer().ok().and_then(|layer| layer.into_iter().find(|it| it.key == key));
    own.is_some_and(|own| bare(&own.value.to_string()) != bare(value))
}

/// The known recipe of this name.
///
/// # Errors
/// When there is none.
pub(super) fn known(name: &str) -> SpecResult<&'static str> {
    recipe(name).map(|recipe| recipe.name).ok_or_else(|| {
        let names: Vec<_> = arms().map(|arm| format!("`{arm}`")).collect();
        refuse(format!("there is no arm `{name}`"))
            .with_hint(format!("known arms: {}", names.join(", ")))
    })
}

/// The assignments of a known recipe, its name among them.
///
/// # Errors
/// When there is no such recipe.
pub(super) fn layer(name: &str) -> SpecResult<Vec<Assignment>> {
    let name = known(name)?;
    let mut layer = recipe(name).map_or_else(|| Ok(Vec::new()), Recipe::layer)?;
    layer.push(Assignment {
        key: "arm".into(),
        value: toml::Value::String(name.to_owned()),
        written: name.to_owned(),
        origin: Origin::Arm(name.to_owned()),
        arm: None,
    });
    Ok(layer)
}

fn recipe(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name)
}

impl Recipe {
    fn layer(&self) -> SpecResult<Vec<Assignment>> {
        layer::parse(self.text, |_| Origin::Arm(self.name.to_owned()))
    }
}

/// Checks that each `--set ARM:key=value` speaks to an arm that is asked for.
///
/// # Errors
/// The first that does not.
pub(super) fn check_scopes(sets: &[Assignment], beside: &[&str]) -> SpecResult {
    for set in sets {
        let Some(arm) = set.arm.as_deref().filter(|arm| !beside.contains(arm)) else { continue };
        let words = beside.iter().map(|arm| format!("`{arm}`")).collect::<Vec<_>>().join(", ");
        let known = arms().map(|arm| -> &str { arm }).chain(beside.iter().copied());
        let meant = nearest(arm, known).filter(|_| !arms().any(|it| it == arm));
        let hint = match meant {
            Some(word) if beside.contains(&word) => format!("did you mean `{word}:{}`?", set.key),
            Some(word) => format!(
                "did you mean `{word}:{}`? Then add `--arm {word}`, which is not asked for",
                set.key
            ),
            None => format!("add `--arm {arm}`, or leave `{arm}:` out"),
        };
        let message = format!("{} speaks to arm `{arm}`, but the run is {words}", set.origin);
        return Err(refuse(message).with_hint(hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{SpecInput, resolve};

    fn of(arm: &str, sets: &[&str]) -> SpecResult<ExperimentSpec> {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        resolve(&SpecInput { arm: Some(arm), sets: &sets, ..SpecInput::default() })
    }

    #[test]
    fn a_recipe_as_it_stands_has_no_changes_and_sets_what_it_locks() {
        for recipe in &RECIPES {
            let spec = of(recipe.name, &[]).unwrap();
            assert_eq!(spec.arm, recipe.name);
            assert_eq!(changes(&spec).unwrap(), [], "{}", recipe.name);
            let keys: Vec<String> = recipe.layer().unwrap().into_iter().map(|it| it.key).collect();
            for locked in recipe.locked {
                assert!(keys.iter().any(|key| key == locked), "{}: {locked}", recipe.name);
            }
        }
    }

    #[test]
    fn what_makes_a_control_a_control_cannot_be_changed() {
        for (arm, set) in [
            ("seed-only", "rounds.max=1"),
            ("seed-only", "seed-only:rounds.max=1"),
            ("seed-only", "rounds.pool_labels=human"),
            ("full-labels", "rounds.pool_labels=pseudo"),
            ("naive", "selection.rule=top_share"),
            ("confidence", "selection.rule=all"),
            ("ser", "rounds.pool_labels=human"),
        ] {
            let error = of(arm, &[set]).unwrap_err().to_string();
            assert!(error.contains(&format!("makes arm `{arm}` what it is")), "{error}");
            assert!(error.contains(&format!("in `--set {set}`")), "{error}");
        }
        // The value of the recipe is no change.
        assert_eq!(of("seed-only", &["rounds.max=0"]).unwrap().arm, "seed-only");
        assert_eq!(of("naive", &["rounds.chance_level=0"]).unwrap().arm, "naive");
    }

    #[test]
    fn the_hint_speaks_to_the_other_arms() {
        let sets = ["rounds.max=1".to_owned()];
        let error = resolve(&SpecInput {
            arm: Some("seed-only"),
            beside: &["ser", "seed-only", "naive"],
            sets: &sets,
            ..SpecInput::default()
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`rounds.max` is 1 in `--set rounds.max=1`, but 0 makes arm `seed-only` what it is"
        );
        assert_eq!(
            error.hint().unwrap(),
            "set it for the other arms alone: `--set ser:rounds.max=1` `--set naive:rounds.max=1`"
        );
    }

    #[test]
    fn a_changed_arm_is_called_so_until_it_is_changed_back() {
        let spec = of("ser", &["rounds.max=1", "train.epochs=3"]).unwrap();
        assert_eq!(spec.arm, "ser*");
        let change =
            RecipeChange { key: "rounds.max".into(), value: "1".into(), recipe: "3".into() };
        assert_eq!(changes(&spec).unwrap(), [change]);
        assert_eq!(of("ser", &["train.epochs=3"]).unwrap().arm, "ser");

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        std::fs::write(&path, crate::spec::to_toml(&spec).unwrap()).unwrap();
        let again = |sets: &[String]| {
            resolve(&SpecInput { file: Some(&path), sets, ..SpecInput::default() }).unwrap()
        };
        assert_eq!(again(&[]), spec);
        assert_eq!(again(&["rounds.max=3".to_owned()]).arm, "ser");
    }

    #[test]
    fn a_set_may_speak_to_one_arm() {
        let sets = ["ser:rounds.max=1".to_owned(), "train.epochs=2".to_owned()];
        let beside = ["ser", "seed-only"];
        let of = |arm| {
            let input =
                SpecInput { arm: Some(arm), beside: &beside, sets: &sets, ..SpecInput::default() };
            let spec = resolve(&input).unwrap();
            (spec.arm, spec.rounds.max, spec.train.epochs)
        };
        assert_eq!(of("ser"), ("ser*".to_owned(), 1, 2));
        assert_eq!(of("seed-only"), ("seed-only".to_owned(), 0, 2));
    }

    #[test]
    fn an_arm_is_told_by_its_recipe() {
        let help = about_arm("seed-only").unwrap();
        assert_eq!(help.about, "The lower control: the seed set's human labels and nothing else.");
        assert_eq!(help.sets, ["rounds.max = 0", "rounds.pool_labels = \"pseudo\""]);
        assert!(arms().all(|arm| about_arm(arm).is_some_and(|it| !it.about.is_empty())));
        assert_eq!(about_arm("mine"), None);
    }

    #[test]
    fn a_set_for_an_arm_that_is_not_asked_for_is_refused() {
        let error = of("ser", &["naive:rounds.max=1"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`--set naive:rounds.max=1` speaks to arm `naive`, but the run is `ser`"
        );
        assert_eq!(error.hint().unwrap(), "add `--arm naive`, or leave `naive:` out");
        let error = of("seed-only", &["seed_only:train.epochs=1"]).unwrap_err();
        assert_eq!(error.hint().unwrap(), "did you mean `seed-only:train.epochs`?");
        let error = of("ser", &["seed-onyl:train.epochs=1"]).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "did you mean `seed-only:train.epochs`? Then add `--arm seed-only`, which is not asked for"
        );
    }
}
