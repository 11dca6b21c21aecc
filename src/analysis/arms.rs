//! Arms over random seeds: the mean result of each recipe, and its difference to the base arm.
//!
//! Runs that differ in nothing but their `rng_seed` are one arm. An arm is measured against the base
//! arm seed by seed, on the test pairs that both runs of a seed share.

use std::collections::{BTreeMap, BTreeSet};

use super::settings::{self, ARM, RNG_SEED};
use super::{AnalysisError, ComparedRun, RoundChoice, SettingRow, compared_run};
use crate::domain::metrics::Split;
use crate::domain::preference::PairId;
use crate::domain::run::{RunId, RunStatus, StopReason};
use crate::domain::stats::gap::{GapClosed, GapOutcomes, gap_closed_over_seeds};
use crate::domain::stats::holm::holm;
use crate::domain::stats::paired::{
    PairedDifference, PairedOutcomes, accuracy_difference, mean_difference,
};
use crate::domain::stats::{Interval, mean_with_t_interval};
use crate::store::Store;

/// The random seed of the bootstrap: fixed, so that everybody sees the same interval.
const BOOTSTRAP_SEED: u64 = 1;
/// The recipe that has the human labels of the seed set and nothing else.
pub const FLOOR: &str = "seed-only";
/// The recipe that has every label from people.
pub const CEILING: &str = "full-labels";

/// A mean over random seeds with its 95 % t interval; a single seed has none.
pub type MeanOverSeeds = (f64, Option<Interval>);

/// Arms side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmComparison {
    /// The arm that the others are measured against.
    pub base: String,
    /// In the order of their first runs.
    pub arms: Vec<ArmRow>,
    /// Rounds of the longest run, round 0 included.
    pub n_rounds: u32,
}

/// One arm of an experiment, summed up over its runs.
#[derive(Debug, Clone, PartialEq)]
pub struct ArmRow {
    pub arm: String,
    /// Settings of data and model in which arms differ, as `key value`; empty when there are none.
    pub setting: String,
    /// Its runs that were tested.
    pub runs: Vec<RunId>,
    /// Its runs that were not, yet.
    pub n_untested: usize,
    /// Test accuracy of the round that speaks for a run.
    pub accuracy: Option<MeanOverSeeds>,
    /// Test accuracy by round. A run that the loop ended early stays where it was.
    pub by_round: Vec<Option<MeanOverSeeds>>,
    /// Beside the base arm.
    pub difference: Option<ArmDifference>,
    /// How much of the way from `seed-only` to `full-labels` it has come.
    pub gap_closed: Option<GapClosed>,
    /// Human labels spent, verdicts included.
    pub n_labels_spent: Option<f64>,
    /// Seconds of a run.
    pub wall_s: Option<f64>,
}

/// Most runs that are compared by arm. Only which test pairs each is right about is kept in memory.
const N_ARM_RUNS_MAX: usize = 1_000;

/// An arm beside the base arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ArmDifference {
    /// Random seeds that both have.
    pub n_seeds: usize,
    /// Mean difference of their accuracies with its paired t interval and test over the seeds: what
    /// would hold for another seed. `None` for a single seed.
    pub over_seeds: Option<PairedDifference>,
    /// The pooled p-value after Holm's adjustment for all arms.
    pub p_holm: Option<f64>,
    /// All test pairs of all seeds together: paired bootstrap and exact McNemar test. A pair that is
    /// tested under two seeds counts twice.
    pub pooled: PairedDifference,
    /// The pooled p-value after Holm's adjustment for all arms.
    pub pooled_p_holm: Option<f64>,
}

/// Reads arms over random seeds. The base is the arm `seed-only` where there is one, else the arm of
/// the first run.
///
/// # Errors
/// When there are too few or too many runs, or one does not exist.
pub fn compare_arms(
    store: &Store,
    runs: &[RunId],
    rounds: RoundChoice,
) -> Result<ArmComparison, AnalysisError> {
    if runs.is_empty() || runs.len() > N_ARM_RUNS_MAX {
        return Err(AnalysisError::NotComparable { n_runs: runs.len() });
    }
    store.snapshot(|store| {
        let mut members = Vec::with_capacity(runs.len());
        let mut details = Vec::with_capacity(runs.len());
        for run in runs {
            let detail = store.run(run)?;
            let compared = compared_run(store, &detail, rounds, 0)?;
            let right = match compared.round {
                Some(round) => store
                    .margins(run, round, Split::Test)?
                    .into_iter()
                    .map(|margin| (margin.pair, margin.margin > 0.0))
                    .collect(),
                None => Vec::new(),
            };
            members.push(Member { compared, right });
            details.push(detail);
        }
        Ok(Arms::new(&members, &settings::rows(&details)?).compare())
    })
}

/// A run with the test pairs that it ranks right, by ascending pair.
struct Member {
    compared: ComparedRun,
    right: Vec<(PairId, bool)>,
}

impl Member {
    fn arm(&self) -> &str {
        &self.compared.row.arm
    }

    fn rng_seed(&self) -> u64 {
        self.compared.row.rng_seed
    }

    fn accuracy(&self) -> Option<f64> {
        Some(self.compared.compared_round()?.test.as_ref()?.accuracy)
    }

    /// Test accuracy after a round. A run whose loop ended before it keeps its last model.
    fn accuracy_after(&self, round: u32) -> Option<f64> {
        let ComparedRun { row, rounds, .. } = &self.compared;
        let tested = |wanted: u32| {
            let found = rounds.iter().find(|row| row.round == wanted)?;
            found.test.as_ref().map(|test| test.accuracy)
        };
        let ended_early = row.status == RunStatus::Finished
            && row.stop_reason != Some(StopReason::RoundLimit)
            && round <= row.rounds_max;
        let last = || rounds.iter().rev().find_map(|row| Some(row.test.as_ref()?.accuracy));
        tested(round).or_else(|| last().filter(|_| ended_early))
    }
}

/// The runs by arm.
struct Arms<'a> {
    members: &'a [Member],
    /// For each run, the settings of data and model in which the runs differ.
    given: Vec<String>,
    /// Runs of each arm.
    groups: Vec<Vec<usize>>,
    base: String,
}

impl<'a> Arms<'a> {
    fn new(members: &'a [Member], settings: &[SettingRow]) -> Self {
        let differing = || settings.iter().filter(|row| row.is_different && row.key != RNG_SEED);
        let is_given =
            |row: &&SettingRow| row.key.starts_with("data.") || row.key.starts_with("model.");
        let value = |row: &SettingRow, run: usize| {
            format!("{} {}", row.key, row.values[run].as_deref().unwrap_or("-"))
        };
        let joined = |run: usize| {
            differing().filter(is_given).map(|row| value(row, run)).collect::<Vec<_>>().join(" ")
        };
        let given = (0..members.len()).map(joined).collect();
        let mut places: BTreeMap<Vec<String>, usize> = BTreeMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        // A run that is there twice is no second seed.
        let same_as = settings::same_as(settings, members.len());
        for (run, member) in members.iter().enumerate().filter(|(run, _)| same_as[*run].is_none()) {
            let all = differing().filter(|row| row.key != ARM).map(|row| value(row, run));
            let key = std::iter::once(member.arm().to_owned()).chain(all).collect();
            let place = *places.entry(key).or_insert(groups.len());
            if place == groups.len() {
                groups.push(Vec::new());
            }
            groups[place].push(run);
        }
        let has_floor = members.iter().any(|member| member.arm() == FLOOR);
        let base = if has_floor { FLOOR } else { members[0].arm() }.to_owned();
        Self { members, given, groups, base }
    }

    fn compare(&self) -> ArmComparison {
        let n_rounds = self.members.iter().flat_map(|member| &member.compared.rounds);
        let n_rounds = n_rounds.filter(|row| row.test.is_some()).map(|row| row.round + 1).max();
        let n_rounds = n_rounds.unwrap_or(0);
        let mut arms: Vec<ArmRow> =
            self.groups.iter().map(|group| self.row(group, n_rounds)).collect();
        let adjusted = |p: fn(&ArmDifference) -> Option<f64>| {
            let p_values: Vec<Option<f64>> =
                arms.iter().map(|arm| arm.difference.as_ref().and_then(p)).collect();
            holm(&p_values)
        };
        let over_seeds = adjusted(|d| d.over_seeds.map(|d| d.p_value));
        let pooled = adjusted(|d| Some(d.pooled.p_value));
        for ((arm, p_holm), pooled_p_holm) in arms.iter_mut().zip(over_seeds).zip(pooled) {
            if let Some(difference) = &mut arm.difference {
                difference.p_holm = p_holm;
                difference.pooled_p_holm = pooled_p_holm;
            }
        }
        ArmComparison { base: self.base.clone(), arms, n_rounds }
    }

    fn row(&self, group: &[usize], n_rounds: u32) -> ArmRow {
        let members: Vec<&Member> = group.iter().map(|run| &self.members[*run]).collect();
        let tested: Vec<&Member> =
            members.iter().copied().filter(|member| member.accuracy().is_some()).collect();
        let over = |value: &dyn Fn(&Member) -> Option<f64>| {
            let values: Vec<f64> = tested.iter().filter_map(|member| value(member)).collect();
            mean_with_t_interval(&values)
        };
        let wall = |member: &Member| {
            let walls = member.compared.rounds.iter().map(|round| round.wall_ms);
            walls.sum::<Option<u64>>().map(|ms| ms as f64 / 1000.0)
        };
        ArmRow {
            arm: members[0].arm().to_owned(),
            setting: self.given[group[0]].clone(),
            runs: tested.iter().map(|member| member.compared.row.id.clone()).collect(),
            n_untested: members.len() - tested.len(),
            accuracy: over(&Member::accuracy),
            by_round: (0..n_rounds).map(|n| over(&|member| member.accuracy_after(n))).collect(),
            difference: self.difference(group),
            gap_closed: self.gap_closed(group),
            n_labels_spent: over(&|member| member.compared.n_labels_spent().map(|n| n as f64))
                .map(|(mean, _)| mean),
            wall_s: over(&wall).map(|(mean, _)| mean),
        }
    }

    /// The tested run of an arm that has the same data, model and random seed as another run.
    fn partner(&self, run: usize, arm: &str) -> Option<&Member> {
        let mine = &self.members[run];
        let found = self.members.iter().zip(&self.given).find(|(member, given)| {
            member.arm() == arm
                && member.rng_seed() == mine.rng_seed()
                && **given == self.given[run]
                && member.compared.row.facts.shares_test_with(&mine.compared.row.facts)
                && !member.right.is_empty()
        });
        found.map(|(member, _)| member)
    }

    fn difference(&self, group: &[usize]) -> Option<ArmDifference> {
        if self.members[group[0]].arm() == self.base {
            return None;
        }
        let mut outcomes = PairedOutcomes::default();
        let mut differences = Vec::new();
        for run in group {
            let Some(base) = self.partner(*run, &self.base) else { continue };
            let common = common([&base.right, &self.members[*run].right]);
            let seed = PairedOutcomes::of(common.into_iter().map(|[base, mine]| (base, mine)));
            if seed.n == 0 {
                continue;
            }
            let gain = seed.n_only_other as f64 - seed.n_only_base as f64;
            differences.push(gain / seed.n as f64);
            outcomes.n += seed.n;
            outcomes.n_both_right += seed.n_both_right;
            outcomes.n_only_base += seed.n_only_base;
            outcomes.n_only_other += seed.n_only_other;
        }
        Some(ArmDifference {
            n_seeds: differences.len(),
            over_seeds: mean_difference(&differences),
            p_holm: None,
            pooled: accuracy_difference(&outcomes, BOOTSTRAP_SEED)?,
            pooled_p_holm: None,
        })
    }

    fn gap_closed(&self, group: &[usize]) -> Option<GapClosed> {
        if [FLOOR, CEILING].contains(&self.members[group[0]].arm()) {
            return None;
        }
        let of_seed = |run: &usize| {
            let (floor, ceiling) = (self.partner(*run, FLOOR)?, self.partner(*run, CEILING)?);
            let all = [&floor.right, &self.members[*run].right, &ceiling.right];
            Some(GapOutcomes::of(common(all)))
        };
        let seeds: Vec<GapOutcomes> = group.iter().filter_map(of_seed).collect();
        gap_closed_over_seeds(&seeds, BOOTSTRAP_SEED)
    }
}

/// For the pairs that all lists contain, which of them rank the pair right.
fn common<const N: usize>(lists: [&Vec<(PairId, bool)>; N]) -> Vec<[bool; N]> {
    let [first, ..] = lists.as_slice() else { return Vec::new() };
    let pairs: BTreeSet<PairId> = first.iter().map(|(pair, _)| *pair).collect();
    let of_pair = |pair: PairId| -> Option<[bool; N]> {
        let mut right = [false; N];
        for (right, list) in right.iter_mut().zip(lists) {
            let place = list.binary_search_by_key(&pair, |(pair, _)| *pair).ok()?;
            *right = list[place].1;
        }
        Some(right)
    };
    pairs.into_iter().filter_map(of_pair).collect()
}
