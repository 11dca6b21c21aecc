//! Reading policy runs, and what people take out of their batches.

use rusqlite::{Connection, OptionalExtension};
use serde::de::DeserializeOwned;

use super::clock::now_ms;
use super::error::StoreError;
use super::events::stored::parse;
use super::runs::word;
use super::{Store, keys};
use crate::domain::event::RunEvent;
use crate::domain::policy::best_of::Point;
use crate::domain::policy::metric::Metrics;
use crate::domain::policy::record::{
    PolicyEvaluation, PolicyVerdict, RolloutAnswer, RolloutPrompt,
};
use crate::domain::policy::sign::Sign;
use crate::domain::policy::veto::{RolloutKey, RolloutVetoes};
use crate::domain::preference::PairId;
use crate::domain::run::RunId;

/// A step of a policy as it stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyStepRow {
    pub step: u32,
    /// Empty while the step is under way.
    pub metrics: Metrics,
    pub elapsed_ms: u64,
    /// Whether its answers can be read.
    pub has_rollouts: bool,
}

/// An evaluation on the held-out prompts.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyEvaluationRow {
    pub step: u32,
    pub evaluation: PolicyEvaluation,
}

/// A sign of trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicySignRow {
    pub sign: Sign,
    pub first_step: u32,
    pub last_step: u32,
    /// The sentence of the last time.
    pub message: String,
}

/// What came of a policy run so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PolicyOutcomeRow {
    /// The best-of-n curve of the policy before its first step; empty where none was measured.
    pub best_of: Vec<Point>,
    pub verdict: Option<PolicyVerdict>,
    /// The step whose weights were taken again.
    pub restored_to: Option<u32>,
}

type OutcomeColumns = (Option<String>, Option<String>, Option<u32>);

/// Which answers of a run are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RolloutsOf {
    /// Those that a step learned from.
    Step(u32),
    /// Those to the held-out prompts after so many steps; after 0 they are the reference's.
    Evaluation(u32),
}

/// The answers to one prompt, with its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// The pair whose prompt it is.
    pub pair: PairId,
    pub prompt: String,
    pub answers: Vec<RolloutAnswer>,
    /// Whether people have taken the prompt out of the batches to come.
    pub is_prompt_vetoed: bool,
    /// Which answers people have vetoed by themselves.
    pub vetoed: Vec<bool>,
}

impl Store {
    /// The steps of a policy run, the first one first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn policy_steps(&self, run: &RunId) -> Result<Vec<PolicyStepRow>, StoreError> {
        let sql = "SELECT step, metrics, elapsed_ms, rollouts_seq IS NOT NULL
                   FROM policy_steps WHERE run = ?1 ORDER BY step";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut steps = Vec::new();
            while let Some(row) = rows.next()? {
                let metrics: Option<String> = row.get(1)?;
                steps.push(PolicyStepRow {
                    step: row.get(0)?,
                    metrics: json("the metrics of a step", metrics)?.unwrap_or_default(),
                    elapsed_ms: row.get::<_, Option<i64>>(2)?.unwrap_or(0) as u64,
                    has_rollouts: row.get(3)?,
                });
            }
            Ok(steps)
        })
    }

    /// The evaluations of a policy run, the first one first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn policy_evaluations(&self, run: &RunId) -> Result<Vec<PolicyEvaluationRow>, StoreError> {
        let sql = "SELECT step, evaluation FROM policy_evaluations WHERE run = ?1 ORDER BY step";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                if let Some(evaluation) = json("an evaluation", row.get(1)?)? {
                    found.push(PolicyEvaluationRow { step: row.get(0)?, evaluation });
                }
            }
            Ok(found)
        })
    }

    /// The signs of trouble that a policy run has shown, the first one first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn policy_signs(&self, run: &RunId) -> Result<Vec<PolicySignRow>, StoreError> {
        let sql = "SELECT sign, first_step, last_step, message
                   FROM policy_signs WHERE run = ?1 ORDER BY first_step, sign";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(PolicySignRow {
                    sign: word(row, 0, "sign")?,
                    first_step: row.get(1)?,
                    last_step: row.get(2)?,
                    message: row.get(3)?,
                });
            }
            Ok(found)
        })
    }

    /// Curve, verdict and restored step of a policy run.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn policy_outcome(&self, run: &RunId) -> Result<PolicyOutcomeRow, StoreError> {
        let sql = "SELECT best_of, verdict, restored_to FROM policy_outcomes WHERE run = ?1";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let columns: Option<OutcomeColumns> = connection
                .prepare_cached(sql)?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let (best_of, verdict, restored_to) = columns.unwrap_or_default();
            Ok(PolicyOutcomeRow {
                best_of: json("the best-of-n curve", best_of)?.unwrap_or_default(),
                verdict: json("the verdict", verdict)?,
                restored_to,
            })
        })
    }

    /// The answers of a step or an evaluation, with their prompts; empty where there are none.
    ///
    /// # Errors
    /// When there is no such run, or a prompt of it cannot be read.
    pub fn rollouts(&self, run: &RunId, of: RolloutsOf) -> Result<Vec<Rollout>, StoreError> {
        let prompts = self.read(|connection| answers_of(connection, run, of))?;
        if prompts.is_empty() {
            return Ok(Vec::new());
        }
        let detail = self.run(run)?;
        let dataset = match of {
            RolloutsOf::Step(_) => detail.dataset,
            RolloutsOf::Evaluation(_) => detail.test_dataset.unwrap_or(detail.dataset),
        };
        let ids: Vec<PairId> = prompts.iter().map(|it| PairId(it.pair)).collect();
        let pairs = self.candidate_pairs(dataset, detail.row.rng_seed, &ids)?;
        let mut vetoes = RolloutVetoes::default();
        self.read_rollout_vetoes_after(run, 0, &mut vetoes)?;
        let found =
            prompts.into_iter().zip(pairs).map(|(RolloutPrompt { pair, answers }, text)| {
                let (is_prompt_vetoed, vetoed) = match of {
                    RolloutsOf::Step(step) => {
                        let key = |answer| RolloutKey { pair, answer: Some((step, answer)) };
                        let is_vetoed = |answer| vetoes.has(key(answer));
                        let n = answers.len() as u32;
                        (vetoes.has_prompt(pair), (0..n).map(is_vetoed).collect())
                    }
                    RolloutsOf::Evaluation(_) => (false, vec![false; answers.len()]),
                };
                Rollout {
                    pair: PairId(pair),
                    prompt: text.prompt,
                    answers,
                    is_prompt_vetoed,
                    vetoed,
                }
            });
        Ok(found.collect())
    }

    /// Takes a prompt, or an answer, out of a policy's batches, or lifts that veto.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn veto_rollout(
        &mut self,
        run: &RunId,
        key: RolloutKey,
        is_veto: bool,
        reviewer: Option<&str>,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            let run = keys::run(transaction, run)?;
            let (step, answer) = key.answer.unzip();
            transaction.execute(
                "INSERT INTO rollout_vetoes (run, pair, step, answer, is_veto, at_ms, reviewer)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (run, key.pair, step, answer, is_veto, now_ms(), reviewer),
            )?;
            Ok(())
        })
    }

    /// Adds the decisions on rollouts after row `last_id` to those known, and returns the last row.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn read_rollout_vetoes_after(
        &self,
        run: &RunId,
        last_id: i64,
        vetoes: &mut RolloutVetoes,
    ) -> Result<i64, StoreError> {
        let sql = "SELECT id, pair, step, answer, is_veto FROM rollout_vetoes
                   WHERE run = ?1 AND id > ?2 ORDER BY id";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query((key, last_id))?;
            let mut last = last_id;
            while let Some(row) = rows.next()? {
                last = row.get(0)?;
                let (step, answer): (Option<u32>, Option<u32>) = (row.get(2)?, row.get(3)?);
                let key = RolloutKey { pair: row.get(1)?, answer: step.zip(answer) };
                vetoes.decide(key, row.get(4)?);
            }
            Ok(last)
        })
    }
}

/// The answers in the event that holds them.
fn answers_of(
    connection: &Connection,
    run: &RunId,
    of: RolloutsOf,
) -> Result<Vec<RolloutPrompt>, StoreError> {
    let (table, column, step) = match of {
        RolloutsOf::Step(step) => ("policy_steps", "rollouts_seq", step),
        RolloutsOf::Evaluation(step) => ("policy_evaluations", "seq", step),
    };
    let sql = format!(
        "SELECT events.seq, body FROM {table}
         JOIN events ON events.run = {table}.run AND events.seq = {table}.{column}
         WHERE {table}.run = ?1 AND step = ?2"
    );
    let key = keys::run(connection, run)?;
    let found: Option<(i64, String)> = connection
        .prepare_cached(&sql)?
        .query_row((key, step), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((seq, body)) = found else { return Ok(Vec::new()) };
    let event = parse(run, seq as u64, &body)?;
    if let RunEvent::RolloutsSampled { prompts, .. } | RunEvent::PolicyEvaluated { prompts, .. } =
        event
    {
        return Ok(prompts);
    }
    Ok(Vec::new())
}

fn json<T: DeserializeOwned>(what: &str, text: Option<String>) -> Result<Option<T>, StoreError> {
    let parse = |text: String| {
        serde_json::from_str(&text)
            .map_err(|source| StoreError::Json { what: what.to_owned(), source })
    };
    text.map(parse).transpose()
}
