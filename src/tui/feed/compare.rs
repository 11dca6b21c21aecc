//! What the data thread reads for the compare screen.

use crate::analysis;
use crate::analysis::{
    AnalysisError, ArmComparison, ComparedRun, Comparison, ComparisonCache, ComparisonQuery,
    Disagreements, RoundChoice,
};
use crate::domain::run::{RunId, RunKind};
use crate::domain::text::clean::clean_line;
use crate::report::ReportError;
use crate::report::listing::policy::{Matrix, PolicyReport};
use crate::store::Store;

use super::clean::clean_row;

/// Pairs that can be walked through.
const N_PAIRS: usize = 200;
/// Characters of a prompt that a list could show.
const N_PROMPT_CHARS: usize = 200;

/// What the comparison screen asks the data thread for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompareInterest {
    /// The runs, in the order of the columns.
    pub runs: Vec<RunId>,
    /// The run that the others are measured against.
    pub base: RunId,
    /// The run whose disagreements with the base are shown.
    pub beside: Option<RunId>,
    /// Which round speaks for a run.
    pub rounds: RoundChoice,
    /// Whether they are policies.
    pub policies: bool,
    /// Whether the runs are summed up arm by arm.
    pub arms: bool,
    /// Points of a loss curve; 0 for none.
    pub n_loss_points: usize,
}

/// What the comparison screen shows.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareData {
    /// Runs side by side.
    pub comparison: Comparison,
    /// The place of a run, and where it disagrees with the base.
    pub beside: Option<(usize, Disagreements)>,
    /// The runs arm by arm, where that was asked for.
    pub arms: Option<ArmComparison>,
    /// What only policies have, in the order of the runs; `None` where one is none.
    pub policies: Option<PoliciesData>,
}

/// Policies beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct PoliciesData {
    pub reports: Vec<PolicyReport>,
    pub matrix: Matrix,
}

impl PoliciesData {
    /// Reads runs that are all policies.
    ///
    /// # Errors
    /// When a run cannot be read.
    fn read(store: &Store, comparison: &Comparison) -> Result<Option<Self>, ReportError> {
        let rows = comparison.runs.iter().map(|run| run.row.clone());
        if rows.clone().any(|row| row.kind != RunKind::Policy) {
            return Ok(None);
        }
        let reports: Result<Vec<PolicyReport>, ReportError> =
            rows.map(|row| PolicyReport::read(store, clean_row(row))).collect();
        let reports = reports?;
        let mut matrix = Matrix::read(store, &reports)?;
        for words in matrix.names.iter_mut().chain(&mut matrix.judges) {
            *words = clean_line(words);
        }
        Ok(Some(Self { reports, matrix }))
    }
}

impl CompareData {
    /// Rows of the store with harmless texts.
    pub fn new(comparison: Comparison, beside: Option<(usize, Disagreements)>) -> Self {
        let mut data = Self { comparison, beside, arms: None, policies: None };
        for run in &mut data.comparison.runs {
            run.row = clean_row(run.row.clone());
        }
        for group in &mut data.comparison.groups {
            group.arm = clean_line(&group.arm);
        }
        for pair in data.beside.iter_mut().flat_map(|(_, found)| &mut found.pairs) {
            let start: String = last_turn(&pair.prompt).chars().take(N_PROMPT_CHARS).collect();
            pair.prompt = clean_line(&start);
        }
        data
    }
}

fn clean_arms(mut arms: ArmComparison) -> ArmComparison {
    arms.base = clean_line(&arms.base);
    for arm in &mut arms.arms {
        arm.arm = clean_line(&arm.arm);
        arm.setting = clean_line(&arm.setting);
    }
    arms
}

/// What was said last before the answers, on one line: what they answer.
fn last_turn(prompt: &str) -> String {
    let prompt = prompt.trim();
    let prompt = prompt.strip_suffix("Assistant:").unwrap_or(prompt);
    let turn = prompt.rsplit("Human:").next().unwrap_or(prompt);
    turn.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What was computed before: the pairs of two selections are not walked through four times a
/// second.
#[derive(Debug, Default)]
pub struct CompareReader {
    paired: ComparisonCache,
    beside: Option<([Version; 2], Disagreements)>,
    arms: Option<(RoundChoice, Vec<Version>, ArmComparison)>,
}

/// What a run's disagreements depend on: run, attempt, tested round, selected round.
type Version = (RunId, u32, Option<u32>, Option<u32>);

fn version(run: &ComparedRun) -> Version {
    let selected = run.selection_round().map(|round| round.round);
    (run.row.id.clone(), run.row.attempt, run.round, selected)
}

impl CompareReader {
    /// Reads the runs that still exist; `None` when fewer than one do.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn read(
        &mut self,
        store: &Store,
        interest: &CompareInterest,
        exists: impl Fn(&RunId) -> bool,
    ) -> Result<Option<CompareData>, ReportError> {
        let runs: Vec<RunId> = interest.runs.iter().filter(|run| exists(run)).cloned().collect();
        if runs.is_empty() {
            return Ok(None);
        }
        let place = |wanted: &RunId| runs.iter().position(|run| run == wanted);
        let base = place(&interest.base).unwrap_or(0);
        let beside = interest.beside.as_ref().and_then(place).filter(|index| *index != base);
        let (rounds, n_loss_points) = (interest.rounds, interest.n_loss_points);
        let query = ComparisonQuery { runs: runs.clone(), base, rounds, n_loss_points };
        let comparison = analysis::compare(store, &query, &mut self.paired)?;
        let beside = match beside {
            None => None,
            Some(index) => {
                let (ours, theirs) = (&comparison.runs[base], &comparison.runs[index]);
                let versions = [version(ours), version(theirs)];
                let known = self.beside.as_ref().filter(|(known, _)| *known == versions);
                let found = match known {
                    Some((_, found)) => found.clone(),
                    None => analysis::disagreements(store, ours, theirs, N_PAIRS)?,
                };
                self.beside = Some((versions, found.clone()));
                Some((index, found))
            }
        };
        let arms = if interest.arms { Some(self.arms(store, &comparison, &runs)?) } else { None };
        let policies =
            if interest.policies { PoliciesData::read(store, &comparison)? } else { None };
        let mut data = CompareData::new(comparison, beside);
        data.policies = policies;
        data.arms = arms.map(clean_arms);
        Ok(Some(data))
    }

    /// The runs arm by arm, read anew when one of them was tested again.
    fn arms(
        &mut self,
        store: &Store,
        comparison: &Comparison,
        runs: &[RunId],
    ) -> Result<ArmComparison, AnalysisError> {
        let versions: Vec<Version> = comparison.runs.iter().map(version).collect();
        if let Some((rounds, known, arms)) = &self.arms
            && (*rounds, known) == (comparison.rounds, &versions)
        {
            return Ok(arms.clone());
        }
        let arms = analysis::compare_arms(store, runs, comparison.rounds)?;
        self.arms = Some((comparison.rounds, versions, arms.clone()));
        Ok(arms)
    }
}

#[cfg(test)]
mod tests {
    use super::last_turn;

    #[test]
    fn a_dialogue_is_told_by_its_last_turn() {
        let prompt = "\n\nHuman: Hi\n\nAssistant: Yes?\n\nHuman: What is\n7 x 8?\n\nAssistant:";
        assert_eq!(last_turn(prompt), "What is 7 x 8?");
        assert_eq!(last_turn("no dialogue"), "no dialogue");
    }
}
