//! Seed set, validation, unlabeled pool and test: who sees which pair.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::preference::PairId;
use super::random::{Place, Purpose, text_hash};
use super::spec::{Amount, ExperimentSpec};

/// How to divide a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct SplitRule {
    /// Keys the order in which groups are dealt out.
    pub rng_seed: u64,
    /// Human labels for the seed set (validation included), as a share of the training part or a
    /// count.
    pub seed_labels: Amount,
    /// Share of the seed set held back for validation.
    pub validation_share: f64,
    /// Share of all pairs split off for testing, when no test source is given.
    pub test_share: f64,
}

impl SplitRule {
    /// Takes from a spec how its data set is divided, at launch and in the worker alike.
    #[must_use]
    pub fn of_spec(spec: &ExperimentSpec) -> Self {
        Self {
            rng_seed: spec.rng_seed,
            seed_labels: spec.data.seed_labels,
            validation_share: spec.data.validation_share,
            test_share: spec.data.test_share,
        }
    }
}

/// Which pair belongs where. The four parts are disjoint, and no group is in two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSplit {
    /// Human labels the reward model of round 0 trains on.
    pub seed_set: Vec<PairId>,
    /// Held-out human labels: decisions may depend on them, but they are never trained on.
    pub validation: Vec<PairId>,
    /// Pairs whose labels stay hidden.
    pub unlabeled_pool: Vec<PairId>,
    /// Test pairs, on which no decision depends.
    pub test: Vec<PairId>,
    /// Training pairs left out because their group is in the given test source.
    pub n_leaked: u64,
    pub n_groups: u64,
}

/// A split that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Some part would be empty.
    #[error("{part} would be empty: {n_pairs} pairs in {n_groups} groups are too few to split")]
    EmptyPart {
        /// `seed_set`, `validation`, `unlabeled_pool` or `test`.
        part: &'static str,
        /// Pairs of the data set.
        n_pairs: usize,
        /// Groups of the data set.
        n_groups: usize,
    },
    /// More human labels are asked for than there are.
    #[error("`data.seed_labels` is {wanted}, but only {n_available} pairs have labels to give")]
    TooFewLabels {
        /// The count asked for.
        wanted: u64,
        /// Training pairs beside the test pairs.
        n_available: usize,
    },
}

/// Divides pairs `0..groups.len()` whose groups are given by hash, in data set order.
///
/// `test_groups` are the groups of a separate test source: pairs in them are left out and counted,
/// and nothing is split off. Groups are dealt in an order keyed by `rng_seed` alone, so the seed
/// set at 5 % is a subset of the seed set at 15 %. A seed set of every pair leaves an empty pool.
///
/// # Errors
/// When a part would be empty.
pub fn split(
    groups: &[u64],
    test_groups: Option<&BTreeSet<u64>>,
    rule: &SplitRule,
) -> Result<DataSplit, SplitError> {
    let order = Place::new(rule.rng_seed, Purpose::Split);
    let mut members: BTreeMap<(u64, u64), Vec<PairId>> = BTreeMap::new();
    let mut n_leaked = 0;
    for (index, group) in groups.iter().enumerate() {
        if test_groups.is_some_and(|test| test.contains(group)) {
            n_leaked += 1;
        } else {
            members.entry((order.bits(*group), *group)).or_default().push(PairId(index as u32));
        }
    }
    let n_groups = members.len();
    let n_available = groups.len() - n_leaked;
    let n_test = match test_groups {
        Some(_) => 0,
        None => (rule.test_share * n_available as f64).round() as usize,
    };
    let n_labels = n_available.saturating_sub(n_test);
    let n_seed = rule.seed_labels.of(n_labels);
    if let Amount::Count(wanted) = rule.seed_labels
        && n_seed > n_labels
    {
        return Err(SplitError::TooFewLabels { wanted, n_available: n_labels });
    }
    let n_validation = (rule.validation_share * n_seed as f64).round() as usize;

    let mut parts =
        DataSplit { n_leaked: n_leaked as u64, n_groups: n_groups as u64, ..DataSplit::default() };
    for (_, pairs) in members {
        // Whole groups, so a part may exceed its target by the rest of its last group.
        let part = if parts.test.len() < n_test {
            &mut parts.test
        } else if parts.seed_set.len() + parts.validation.len() < n_seed {
            // Interleaved, so that a smaller seed set keeps its share of validation.
            let filled = parts.seed_set.len() + parts.validation.len();
            let validation_due = filled as f64 * rule.validation_share;
            if (parts.validation.len() as f64) < validation_due
                || (n_validation > 0 && parts.validation.is_empty() && !parts.seed_set.is_empty())
            {
                &mut parts.validation
            } else {
                &mut parts.seed_set
            }
        } else {
            &mut parts.unlabeled_pool
        };
        part.extend(pairs);
    }
    for part in
        [&mut parts.seed_set, &mut parts.validation, &mut parts.unlabeled_pool, &mut parts.test]
    {
        part.sort_unstable();
    }
    let needs = [
        ("seed_set", true, parts.seed_set.len()),
        ("validation", true, parts.validation.len()),
        ("unlabeled_pool", n_seed < n_labels, parts.unlabeled_pool.len()),
        ("test", test_groups.is_none(), parts.test.len()),
    ];
    match needs.into_iter().find(|(_, is_needed, n)| *is_needed && *n == 0) {
        Some((part, ..)) => Err(SplitError::EmptyPart { part, n_pairs: groups.len(), n_groups }),
        None => Ok(parts),
    }
}

/// Deals groups to `n_folds` folds of nearly equal size: the fold of each given pair, whose groups
/// are given. A group is in one fold; the deal depends on `rng_seed` and the groups alone.
#[must_use]
pub fn folds(groups: &[u64], n_folds: u32, rng_seed: u64) -> Vec<u32> {
    let order = Place::new(rng_seed, Purpose::CrossFit);
    let mut sizes: BTreeMap<(u64, u64), usize> = BTreeMap::new();
    for group in groups {
        *sizes.entry((order.bits(*group), *group)).or_default() += 1;
    }
    let mut fold_sizes = vec![0_usize; n_folds.max(1) as usize];
    let mut fold_of = BTreeMap::new();
    for ((_, group), size) in sizes {
        let smallest = (0..fold_sizes.len()).min_by_key(|fold| fold_sizes[*fold]).unwrap_or(0);
        fold_sizes[smallest] += size;
        fold_of.insert(group, smallest as u32);
    }
    groups.iter().map(|group| fold_of[group]).collect()
}

/// The hash under which a group name takes part in a split.
#[must_use]
pub fn group_hash(group: &str) -> u64 {
    text_hash(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(rng_seed: u64, seed_labels: Amount) -> SplitRule {
        SplitRule { rng_seed, seed_labels, validation_share: 0.2, test_share: 0.2 }
    }

    fn groups(n: usize, pairs_per_group: usize) -> Vec<u64> {
        (0..n).map(|i| group_hash(&format!("g{}", i / pairs_per_group))).collect()
    }

    #[test]
    fn parts_are_disjoint_complete_and_near_their_targets() {
        let groups = groups(2000, 3);
        let parts = split(&groups, None, &rule(1, Amount::Share(0.15))).unwrap();
        let all = [&parts.seed_set, &parts.validation, &parts.unlabeled_pool, &parts.test];
        let mut ids: Vec<PairId> = all.into_iter().flatten().copied().collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..2000).map(PairId).collect::<Vec<_>>());
        assert!((398..=404).contains(&parts.test.len()), "{}", parts.test.len());
        let n_seed = parts.seed_set.len() + parts.validation.len();
        assert!((238..=244).contains(&n_seed), "{n_seed}");
        assert!((44..=52).contains(&parts.validation.len()), "{}", parts.validation.len());
    }

    #[test]
    fn no_group_is_on_two_sides() {
        let groups = groups(1000, 4);
        let parts = split(&groups, None, &rule(9, Amount::Share(0.3))).unwrap();
        let sides = [&parts.seed_set, &parts.validation, &parts.unlabeled_pool, &parts.test];
        let mut owner: BTreeMap<u64, usize> = BTreeMap::new();
        for (side, pairs) in sides.into_iter().enumerate() {
            for pair in pairs {
                let group = groups[pair.0 as usize];
                assert_eq!(*owner.entry(group).or_insert(side), side);
            }
        }
    }

    #[test]
    fn seed_sets_are_nested_and_depend_on_the_rng_seed() {
        let groups = groups(1000, 1);
        let small = split(&groups, None, &rule(1, Amount::Share(0.05))).unwrap();
        let large = split(&groups, None, &rule(1, Amount::Share(0.15))).unwrap();
        assert!(small.seed_set.iter().all(|pair| large.seed_set.contains(pair)));
        assert_eq!(small.test, large.test);
        let other = split(&groups, None, &rule(2, Amount::Share(0.05))).unwrap();
        assert_ne!(small.seed_set, other.seed_set);
    }

    #[test]
    fn every_label_may_be_given_but_no_more() {
        let groups = groups(1000, 1);
        let all = split(&groups, None, &rule(1, Amount::Share(1.0))).unwrap();
        assert!(all.unlabeled_pool.is_empty());
        assert_eq!(all.seed_set.len() + all.validation.len() + all.test.len(), 1000);
        let small = split(&groups, None, &rule(1, Amount::Share(0.01))).unwrap();
        assert!(small.seed_set.iter().all(|pair| all.seed_set.contains(pair)));
        assert_eq!(split(&groups, None, &rule(1, Amount::Count(800))).unwrap(), all);
        let error = split(&groups, None, &rule(1, Amount::Count(801))).unwrap_err();
        assert!(error.to_string().contains("is 801, but only 800 pairs"), "{error}");
    }

    #[test]
    fn a_given_test_source_removes_its_groups() {
        let groups = groups(500, 5);
        let test: BTreeSet<u64> = [groups[0], groups[7]].into();
        let parts = split(&groups, Some(&test), &rule(1, Amount::Count(60))).unwrap();
        assert_eq!(parts.n_leaked, 10);
        assert!(parts.test.is_empty());
        assert!(parts.seed_set.len() + parts.validation.len() >= 60);
        assert!(parts.unlabeled_pool.iter().all(|pair| !test.contains(&groups[pair.0 as usize])));
    }

    #[test]
    fn folds_are_even_and_part_no_group() {
        let groups = groups(103, 3);
        let folds = folds(&groups, 4, 5);
        for (group, fold) in groups.iter().zip(&folds) {
            let others = groups.iter().zip(&folds).filter(|(other, _)| *other == group);
            assert!(others.into_iter().all(|(_, of)| of == fold));
        }
        for fold in 0..4 {
            let n = folds.iter().filter(|of| **of == fold).count();
            assert!((24..=28).contains(&n), "{n}");
        }
        assert_eq!(folds, super::folds(&groups, 4, 5));
        assert_ne!(folds, super::folds(&groups, 4, 6));
    }

    #[test]
    fn too_few_groups_are_refused_by_name() {
        let error = split(&groups(10, 10), None, &rule(1, Amount::Share(0.5))).unwrap_err();
        assert!(matches!(error, SplitError::EmptyPart { n_groups: 1, .. }), "{error}");
    }
}
