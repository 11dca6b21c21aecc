//! Reading a run round by round and step by step.

use rusqlite::Connection;

use super::error::StoreError;
use super::rows::{LossPoint, RoundRow};
use super::{Store, keys, runs};
use crate::domain::event::RunEvent;
use crate::domain::run::RunId;

impl Store {
    /// The rounds of a run, the first one first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn rounds(&self, run: &RunId) -> Result<Vec<RoundRow>, StoreError> {
        self.read(|connection| of_run(connection, keys::run(connection, run)?))
    }

    /// Every optimizer step of a round, as [`RunEvent::TrainStepTaken`], the first one first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn train_steps(&self, run: &RunId, round: u32) -> Result<Vec<RunEvent>, StoreError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT global_step, epoch, loss, gradient_norm, learning_rate, accuracy
                 FROM metrics WHERE run = ?1 AND round = ?2 ORDER BY global_step",
            )?;
            let mut rows = statement.query((keys::run(connection, run)?, round))?;
            let mut steps = Vec::new();
            while let Some(row) = rows.next()? {
                steps.push(RunEvent::TrainStepTaken {
                    round,
                    epoch: row.get(1)?,
                    step: steps.len() as u64 + 1,
                    global_step: row.get::<_, i64>(0)? as u64,
                    loss: row.get(2)?,
                    gradient_norm: row.get(3)?,
                    learning_rate: row.get(4)?,
                    accuracy: row.get(5)?,
                });
            }
            Ok(steps)
        })
    }

    /// The training loss by step, thinned to at most `max_points` buckets of equally many steps.
    ///
    /// Every step is read: a quarter of a million take less than a frame is allowed to, so there
    /// is no second copy of the series to keep in step.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn loss_points(
        &self,
        run: &RunId,
        max_points: usize,
    ) -> Result<Vec<LossPoint>, StoreError> {
        self.read(|connection| loss_of_run(connection, keys::run(connection, run)?, max_points))
    }
}

/// The round with the best validation accuracy, the earliest of equals. Test pairs are not used for
/// any choice.
#[must_use]
pub fn best_round(rounds: &[RoundRow]) -> Option<u32> {
    best_of(rounds.iter().filter(|round| !round.is_rolled_back()))
}

/// The one of some rounds with the best validation accuracy, the earliest of equals.
#[must_use]
pub fn best_of<'a>(rounds: impl Iterator<Item = &'a RoundRow>) -> Option<u32> {
    let mut best: Option<(f64, u32)> = None;
    for row in rounds {
        if let Some(accuracy) = row.validation.as_ref().map(|evaluation| evaluation.accuracy)
            && best.is_none_or(|(highest, _)| accuracy > highest)
        {
            best = Some((accuracy, row.round));
        }
    }
    best.map(|(_, round)| round)
}

/// The rounds of a run by its key.
pub(super) fn of_run(connection: &Connection, key: i64) -> Result<Vec<RoundRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT rounds.round, selection, n_train_pairs, n_steps, validation, test, wall_ms,
                n_tokens, weights_digest,
                -- A round that has not trained yet has spent what the one before had.
                sizes ->> '$.n_seed_set' + sizes ->> '$.n_validation' + coalesce(
                    (SELECT n_human_labels FROM rounds AS before
                     WHERE before.run = rounds.run AND before.round <= rounds.round
                         AND n_human_labels IS NOT NULL
                     ORDER BY before.round DESC LIMIT 1), 0)
         FROM rounds JOIN run_states USING (run) WHERE run = ?1 ORDER BY rounds.round",
    )?;
    let mut rows = statement.query([key])?;
    let mut rounds = Vec::new();
    while let Some(row) = rows.next()? {
        let count = |index| row.get::<_, Option<i64>>(index).map(|n| n.map(|count| count as u64));
        rounds.push(RoundRow {
            round: row.get(0)?,
            selection: runs::optional_json(row, 1, "a selection")?,
            n_train_pairs: count(2)?,
            n_steps: count(3)?,
            validation: runs::optional_json(row, 4, "an evaluation")?,
            test: runs::optional_json(row, 5, "an evaluation")?,
            wall_ms: count(6)?,
            n_tokens: count(7)?,
            weights_digest: row.get(8)?,
            n_labels_spent: count(9)?,
        });
    }
    Ok(rounds)
}

/// The thinned training loss of a run by its key.
pub(super) fn loss_of_run(
    connection: &Connection,
    key: i64,
    max_points: usize,
) -> Result<Vec<LossPoint>, StoreError> {
    let sql = "SELECT max(global_step), min(global_step) FROM metrics WHERE run = ?1";
    let bounds: (Option<i64>, Option<i64>) =
        connection.prepare_cached(sql)?.query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (Some(last), Some(first)) = bounds else { return Ok(Vec::new()) };
    let mut buckets = Buckets::over(first as u64, last as u64, max_points);
    add_steps(connection, key, [0, last as u64], &mut buckets)?;
    Ok(buckets.points)
}

/// Reads the steps after one, up to the last one, into buckets.
fn add_steps(
    connection: &Connection,
    key: i64,
    [after, last]: [u64; 2],
    buckets: &mut Buckets,
) -> Result<(), StoreError> {
    if buckets.stride > 1 {
        let sql = "SELECT global_step, round, loss FROM metrics
                   WHERE run = ?1 AND global_step = ?2";
        let mut statement = connection.prepare_cached(sql)?;
        let from = (after + 1).saturating_sub(buckets.first).div_ceil(buckets.stride);
        let mut step = buckets.first + from * buckets.stride;
        while step <= last {
            let mut rows = statement.query([key, step as i64])?;
            if let Some(row) = rows.next()? {
                buckets.add(row.get::<_, i64>(0)? as u64, row.get(1)?, row.get(2)?);
            }
            step += buckets.stride;
        }
        return Ok(());
    }
    let mut statement = connection.prepare_cached(
        "SELECT global_step, round, loss FROM metrics
         WHERE run = ?1 AND global_step > ?2 ORDER BY global_step",
    )?;
    let mut rows = statement.query([key, after as i64])?;
    while let Some(row) = rows.next()? {
        buckets.add(row.get::<_, i64>(0)? as u64, row.get(1)?, row.get(2)?);
    }
    Ok(())
}

/// The training loss of one run, thinned. New steps are added to it rather than reading it all
/// again.
#[derive(Debug, Default)]
pub struct LossCurve {
    /// The run and the attempt it belongs to: a new attempt repeats the steps after its checkpoint.
    of: Option<(RunId, u32)>,
    buckets: Option<Buckets>,
}

impl LossCurve {
    /// The points so far.
    #[must_use]
    pub fn points(&self) -> &[LossPoint] {
        self.buckets.as_ref().map_or(&[], |buckets| &buckets.points)
    }

    /// One step of so many was read.
    #[must_use]
    pub fn stride(&self) -> u64 {
        self.buckets.as_ref().map_or(1, |buckets| buckets.stride)
    }
}

impl Store {
    /// Continues a curve with the steps since it was read, or reads it from the beginning where it is
    /// of another run or attempt, or has to be thinned further.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn continue_loss(
        &self,
        run: &RunId,
        attempt: u32,
        max_points: usize,
        curve: &mut LossCurve,
    ) -> Result<(), StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let sql = "SELECT max(global_step), min(global_step) FROM metrics WHERE run = ?1";
            let bounds: (Option<i64>, Option<i64>) = connection
                .prepare_cached(sql)?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let of = Some((run.clone(), attempt));
            let (Some(last), Some(first)) = bounds else {
                *curve = LossCurve { of, buckets: None };
                return Ok(());
            };
            let fresh = Buckets::over(first as u64, last as u64, max_points);
            let known = curve.buckets.take().filter(|known| {
                let is_same = (known.first, known.width) == (fresh.first, fresh.width);
                curve.of == of && is_same && known.last() <= last as u64
            });
            let mut buckets = known.unwrap_or(fresh);
            add_steps(connection, key, [buckets.last(), last as u64], &mut buckets)?;
            *curve = LossCurve { of, buckets: Some(buckets) };
            Ok(())
        })
    }
}

/// Widest bucket of which every step is read. Of wider ones only a sample is read, because a chart
/// is not worth more time.
const EXACT_WIDTH: u64 = 64;
/// How many steps are read of a wider bucket.
const N_SAMPLED: u64 = 16;

/// Gathers steps in ascending order.
#[derive(Debug)]
struct Buckets {
    /// Steps of a bucket.
    width: u64,
    /// One step of so many is read: all of them up to [`EXACT_WIDTH`] a bucket, a sample beyond.
    stride: u64,
    first: u64,
    /// Finished buckets and the one being filled.
    points: Vec<LossPoint>,
    /// Steps in the bucket being filled.
    n: u32,
}

impl Buckets {
    /// Empty buckets for these steps. Their width is a power of two, so that a growing curve keeps
    /// its points until it has to be thinned to half of them.
    fn over(first: u64, last: u64, max_points: usize) -> Self {
        let n_steps = last - first + 1;
        let width = n_steps.div_ceil(max_points.max(1) as u64).next_power_of_two();
        let stride = if width > EXACT_WIDTH { width / N_SAMPLED } else { 1 };
        Self { width, stride, first, points: Vec::new(), n: 0 }
    }

    /// The last step that was added.
    fn last(&self) -> u64 {
        self.points.last().map_or(0, |point| point.global_step)
    }

    fn add(&mut self, global_step: u64, round: u32, loss: f32) {
        let bucket = |step: u64| (step - self.first) / self.width;
        let last = self.points.last_mut();
        if let Some(point) = last.filter(|point| bucket(point.global_step) == bucket(global_step)) {
            self.n += 1;
            point.loss += (loss - point.loss) / self.n as f32;
            point.min = point.min.min(loss);
            point.max = point.max.max(loss);
            (point.global_step, point.round) = (global_step, round);
        } else {
            self.points.push(LossPoint { global_step, round, loss, min: loss, max: loss });
            self.n = 1;
        }
    }
}

/// The rounds of a run that made a selection, in order.
pub(in crate::store) fn selected_rounds(
    connection: &Connection,
    run: i64,
) -> Result<Vec<u32>, StoreError> {
    let sql = "SELECT round FROM rounds WHERE run = ?1 AND selection IS NOT NULL ORDER BY round";
    let mut statement = connection.prepare_cached(sql)?;
    let rounds = statement.query_map([run], |row| row.get(0))?;
    Ok(rounds.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, train_step};
    use crate::domain::event::RunEvent;

    #[test]
    fn labels_spent_do_not_fall_before_a_round_has_trained() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let trained = |round, n_human_labels| RunEvent::RoundTrained {
            round,
            n_train_pairs: 8,
            n_steps: 2,
            n_tokens: 80,
            elapsed_ms: 5,
            weights_digest: "w".into(),
            n_human_labels,
        };
        let split = RunEvent::DataSplitMade {
            n_seed_set: 8,
            n_validation: 2,
            n_unlabeled_pool: 20,
            n_test: 10,
            n_leaked: 0,
            n_groups: 30,
        };
        let first = [split, trained(0, 0), testing::selection_made(1, 20), trained(1, 4)];
        let events = first.into_iter().chain([testing::selection_made(2, 20)]);
        fixture.apply(&run, attempt, events.collect());
        let rounds = fixture.store.rounds(&run).unwrap();
        let spent: Vec<_> = rounds.iter().map(|round| round.n_labels_spent).collect();
        assert_eq!(spent, [Some(10), Some(14), Some(14)]);
    }

    #[test]
    fn a_thinned_loss_keeps_mean_and_extremes() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        assert!(fixture.store.loss_points(&run, 10).unwrap().is_empty());
        let attempt = fixture.begin(&run);
        let losses = [4.0, 2.0, 3.0, 1.0, 5.0];
        let steps = (1..).zip(losses).map(|(step, loss)| train_step(step, loss)).collect();
        fixture.apply(&run, attempt, steps);
        let all = fixture.store.loss_points(&run, 100).unwrap();
        assert_eq!(all.iter().map(|point| point.loss).collect::<Vec<_>>(), losses);
        let thin = fixture.store.loss_points(&run, 3).unwrap();
        let values: Vec<_> = thin.iter().map(|p| (p.global_step, p.loss, p.min, p.max)).collect();
        assert_eq!(values, [(2, 3.0, 2.0, 4.0), (4, 2.0, 1.0, 3.0), (5, 5.0, 5.0, 5.0)]);
        assert_eq!(fixture.store.loss_points(&run, 0).unwrap().len(), 1);
    }

    #[test]
    fn a_very_long_curve_is_a_sample_of_its_steps() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let steps = (1..=2_000).map(|step| train_step(step, step as f32)).collect();
        fixture.apply(&run, attempt, steps);
        let mut curve = super::LossCurve::default();
        fixture.store.continue_loss(&run, 1, 10, &mut curve).unwrap();
        // 2 000 steps in 10 buckets are 256 a bucket, of which every sixteenth is read.
        assert_eq!((curve.stride(), curve.points().len()), (16, 8));
        let first = curve.points()[0];
        assert_eq!((first.global_step, first.min, first.max), (241, 1.0, 241.0));
        assert_eq!(first.loss, 121.0);
        let later = crate::store::Attempt { next_seq: attempt.next_seq + 2_000, ..attempt };
        let steps = (2_001..=2_040).map(|step| train_step(step, step as f32)).collect();
        fixture.apply(&run, later, steps);
        fixture.store.continue_loss(&run, 1, 10, &mut curve).unwrap();
        assert_eq!(curve.points(), fixture.store.loss_points(&run, 10).unwrap());
    }

    #[test]
    fn a_curve_that_is_continued_is_the_curve_that_is_read() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let mut curve = super::LossCurve::default();
        let mut step = 0;
        for n in [0, 1, 3, 7, 1, 20, 90, 5] {
            let steps = (0..n).map(|i| train_step(step + i + 1, ((step + i) % 13) as f32));
            let later = crate::store::Attempt { next_seq: attempt.next_seq + step, ..attempt };
            fixture.apply(&run, later, steps.collect());
            step += n;
            fixture.store.continue_loss(&run, 1, 16, &mut curve).unwrap();
            assert_eq!(curve.points(), fixture.store.loss_points(&run, 16).unwrap(), "{step}");
        }
        fixture.store.continue_loss(&run, 2, 16, &mut curve).unwrap();
        assert_eq!(curve.points().len(), fixture.store.loss_points(&run, 16).unwrap().len());
    }
}
