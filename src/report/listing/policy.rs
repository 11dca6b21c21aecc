//! Policy runs: steps, evaluations, and who wins against whom.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::analysis::judging::{PeopleVerdict, judged_step, people_verdicts};
use crate::domain::policy::best_of::{Measured, Point};
use crate::domain::policy::metric::PolicyMetric as M;
use crate::domain::policy::record::PolicyVerdict;
use crate::domain::policy::win::length::length_controlled;
use crate::domain::policy::win::matrix::{Judged, games, win_rates};
use crate::domain::policy::win::{Share, WinRate};
use crate::domain::random::text_hash;
use crate::domain::run::RunId;
use crate::domain::text::words::percent;
use crate::report::ReportError;
use crate::report::story::of_policy;
use crate::report::table::{Cell, Column, Form, Table, number, text};
use crate::store::Store;
use crate::store::policy::{
    PolicyEvaluationRow, PolicyOutcomeRow, PolicySignRow, PolicyStepRow, RolloutsOf,
};
use crate::store::rows::RunRow;

/// Everything that is known of a policy run.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyReport {
    pub run: RunRow,
    pub steps: Vec<PolicyStepRow>,
    pub evaluations: Vec<PolicyEvaluationRow>,
    pub signs: Vec<PolicySignRow>,
    pub outcome: PolicyOutcomeRow,
    /// What people said of its answers, blind.
    pub people: Vec<PeopleVerdict>,
}

#[derive(Serialize)]
struct PolicyDocument<'a> {
    schema: u32,
    run: &'a str,
    name: &'a str,
    status: &'a str,
    steps: Vec<Value>,
    evaluations: Vec<Value>,
    signs: Vec<Value>,
    best_of: &'a [Point],
    verdict: &'a Option<PolicyVerdict>,
    restored_to: Option<u32>,
    people: Vec<Value>,
}

impl PolicyReport {
    /// Reads a policy run.
    ///
    /// # Errors
    /// When there is no such run, or it is no policy.
    pub fn read(store: &Store, run: RunRow) -> Result<Self, ReportError> {
        Ok(Self {
            steps: store.policy_steps(&run.id)?,
            evaluations: store.policy_evaluations(&run.id)?,
            signs: store.policy_signs(&run.id)?,
            outcome: store.policy_outcome(&run.id)?,
            people: people_verdicts(store, &run.id)?,
            run,
        })
    }

    /// The step whose weights the policy has, or had last.
    #[must_use]
    pub fn judged_step(&self) -> u32 {
        judged_step(&self.evaluations, &self.outcome)
    }

    /// The whole of it as JSON.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn json(&self) -> Result<String, ReportError> {
        let step = |it: &PolicyStepRow| json!({"step": it.step, "elapsed_ms": it.elapsed_ms, "metrics": it.metrics});
        let evaluation = |it: &PolicyEvaluationRow| {
            let mut object: Map<String, Value> = match serde_json::to_value(&it.evaluation) {
                Ok(Value::Object(object)) => object,
                _ => Map::new(),
            };
            object.insert("step".to_owned(), json!(it.step));
            Value::Object(object)
        };
        let sign = |it: &PolicySignRow| {
            json!({"sign": it.sign, "first_step": it.first_step, "last_step": it.last_step,
                   "message": it.message})
        };
        super::json(&PolicyDocument {
            schema: 1,
            run: self.run.id.as_str(),
            name: &self.run.name,
            status: self.run.status.name(),
            steps: self.steps.iter().map(step).collect(),
            evaluations: self.evaluations.iter().map(evaluation).collect(),
            signs: self.signs.iter().map(sign).collect(),
            best_of: &self.outcome.best_of,
            verdict: &self.outcome.verdict,
            restored_to: self.outcome.restored_to,
            people: self.people.iter().map(|it| people(it, self.run.rng_seed)).collect(),
        })
    }

    /// The evaluations, one a line.
    #[must_use]
    pub fn evaluations(&self) -> Table {
        let columns = [
            number("step", "step"),
            number("proxy", "reward [95 %]"),
            number("gold", "gold [95 %]"),
            number("divergence", "KL"),
            number("length", "tokens"),
            number("clipped_ratio", "cut"),
            number("n_prompts", "prompts"),
        ];
        let mut table = Table::new(&columns);
        for PolicyEvaluationRow { step, evaluation } in &self.evaluations {
            table.push(vec![
                Cell::new(step),
                measured(evaluation.proxy.as_ref()),
                measured(evaluation.gold.as_ref()),
                Cell::shown(evaluation.divergence.map(|it| it.mean), of_policy::nats),
                Cell::shown(Some(evaluation.length.mean), |it| format!("{it:.1}")),
                Cell::shown(Some(evaluation.clipped_ratio), percent),
                Cell::new(evaluation.n_prompts),
            ]);
        }
        table
    }

    /// The metrics of every step that has them, by the names that TRL gives them.
    #[must_use]
    pub fn steps(&self) -> Table {
        let has = |metric: &&M| self.steps.iter().any(|it| it.metrics.contains_key(metric));
        let metrics: Vec<M> = M::ALL.iter().filter(has).copied().collect();
        let mut columns: Vec<Column> = vec![number("step", "step")];
        columns.extend(metrics.iter().map(|metric| number(metric.name(), metric.name())));
        let mut table = Table::new(&columns);
        for row in self.steps.iter().filter(|it| !it.metrics.is_empty()) {
            let mut cells = vec![Cell::new(row.step)];
            let value = |metric: &M| row.metrics.get(metric).copied();
            cells.extend(metrics.iter().map(|it| Cell::shown(value(it), digits)));
            table.push(cells);
        }
        table
    }

    /// The best-of-n curve at the powers of two, and at its end.
    #[must_use]
    pub fn best_of(&self) -> Table {
        let columns = [
            number("n", "best of"),
            number("kl", "KL"),
            number("proxy", "reward [95 %]"),
            number("gold", "gold [95 %]"),
            number("win_rate", "wins against one"),
            number("win_rate_at_equal_length", "at equal length"),
        ];
        let mut table = Table::new(&columns);
        let last = self.outcome.best_of.last().map_or(0, |it| it.n);
        for point in &self.outcome.best_of {
            if point.n.is_power_of_two() || point.n == last {
                table.push(vec![
                    Cell::new(point.n),
                    Cell::shown(Some(point.kl), of_policy::nats),
                    measured(Some(&point.proxy)),
                    measured(point.gold.as_ref()),
                    share(point.win_rate.map(|it| it.rate)),
                    share(point.at_equal_length.map(|it| it.rate)),
                ]);
            }
        }
        table
    }
}

/// Four decimals, or as many digits of what is smaller than those show.
fn digits(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 { format!("{value:.2e}") } else { format!("{value:.4}") }
}

/// A share with half the width of its interval.
#[must_use]
pub fn share(share: Option<Share>) -> Cell {
    let shown = share.map(|Share { share, interval }| {
        let half = (interval.high - interval.low) / 2.0;
        format!("{} ±{}", percent(share), percent(half))
    });
    Cell::both(shown, share.map(|it| it.share.to_string()))
}

fn people(verdict: &PeopleVerdict, rng_seed: u64) -> Value {
    let matchup = &verdict.matchup;
    let [n_same, n_decided] = verdict.agreement;
    json!({
        "step": matchup.step, "other": matchup.other.as_ref().map(RunId::as_str),
        "against": verdict.other.as_deref().unwrap_or("reference"),
        "other_step": matchup.other_step, "n_prompts": verdict.n_prompts,
        "n_by_reviewer": verdict.by_reviewer, "n_skipped": verdict.n_skipped,
        "win_rate": verdict.win_rate, "at_equal_length": length_controlled(&verdict.games, rng_seed),
        "gold_on_the_same": verdict.gold,
        "agreement_with_gold": {"n_same": n_same, "n_decided_by_both": n_decided},
    })
}

fn measured(measured: Option<&Measured>) -> Cell {
    let shown = measured.map(|Measured { mean, interval }| match interval {
        Some(interval) => format!("{mean:.3} [{:.3}, {:.3}]", interval.low, interval.high),
        None => format!("{mean:.3}"),
    });
    Cell::both(shown, measured.map(|it| it.mean.to_string()))
}

/// The win rates of policies against each other on the held-out prompts that all of them answered, and
/// against the reference of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// The policies, then the references.
    pub names: Vec<String>,
    /// Who judges each policy, as its spec names it.
    pub judges: Vec<String>,
    /// Row against column; `None` also where two have different judges, whose scores have no common scale.
    pub rates: Vec<Vec<Option<WinRate>>>,
}

/// Most policies of a matrix, so that a row of it fits a line.
pub const N_POLICIES_MAX: usize = 11;

impl Matrix {
    /// Reads the answers of the last evaluation of each run (of the step whose weights it has), and those
    /// before its first step, which are its reference's.
    ///
    /// # Errors
    /// When a run cannot be read.
    pub fn read(store: &Store, reports: &[PolicyReport]) -> Result<Self, ReportError> {
        let (mut names, mut judges, mut policies) = (Vec::new(), Vec::new(), Vec::new());
        for report in reports {
            let step = report.judged_step();
            policies.push(judged(store, &report.run.id, step)?);
            names.push(report.run.name.clone());
            judges.push(store.spec(&report.run.id)?.policy.map_or_else(String::new, |it| it.gold));
        }
        let mut rates = win_rates(&policies, 0.0);
        for (row, rates) in rates.iter_mut().enumerate() {
            for (column, rate) in rates.iter_mut().enumerate() {
                *rate = rate.filter(|_| judges[row] == judges[column]);
            }
        }
        names.push("reference".to_owned());
        let mut of_references = Vec::with_capacity(names.len());
        for ((report, own), rates) in reports.iter().zip(&policies).zip(&mut rates) {
            let reference = judged(store, &report.run.id, 0)?;
            let rate = WinRate::of(&games(own, &reference, 0.0));
            rates.push(rate);
            of_references.push(rate.map(WinRate::mirrored));
        }
        of_references.push(None);
        rates.push(of_references);
        Ok(Self { names, judges, rates })
    }

    /// Whether some of the policies have different judges.
    #[must_use]
    pub fn has_several_judges(&self) -> bool {
        self.judges.iter().any(|judge| Some(judge) != self.judges.first())
    }

    /// The rates as a table in a form.
    #[must_use]
    pub fn text(&self, form: Form) -> String {
        self.table(&Self::columns(self.names.len())).text(form, false)
    }

    /// The rates, row against column.
    #[must_use]
    pub fn table(&self, columns: &[Column]) -> Table {
        let mut table = Table::new(columns);
        for (name, rates) in self.names.iter().zip(&self.rates) {
            let mut cells = vec![Cell::new(name)];
            cells.extend(rates.iter().map(|rate| share(rate.map(|it| it.rate))));
            table.push(cells);
        }
        table
    }

    /// The columns of [`Matrix::table`]: the policies by number, since names are long.
    #[must_use]
    pub fn columns(n: usize) -> Vec<Column> {
        const HEADS: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
        let heads = HEADS.iter().take(n).map(|head| number(head, head));
        std::iter::once(text("policy", "wins of … against")).chain(heads).collect()
    }

    /// The whole of it as JSON.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn json(&self) -> Result<String, ReportError> {
        super::json(&json!({
            "schema": 1, "policies": self.names, "judges": self.judges, "win_rates": self.rates
        }))
    }
}

fn judged(store: &Store, run: &RunId, step: u32) -> Result<Vec<Judged>, ReportError> {
    let prompts = store.rollouts(run, RolloutsOf::Evaluation(step))?;
    let of_prompt = prompts.iter().flat_map(|rollout| {
        // Numbers of another source are other prompts.
        let prompt = text_hash(&format!("{} {}", rollout.pair.0, rollout.prompt));
        rollout.answers.iter().filter_map(move |answer| {
            Some(Judged { prompt, gold: answer.gold?, n_tokens: answer.n_tokens })
        })
    });
    Ok(of_prompt.collect())
}
