//! Training and scoring of a network with its parameters: sharding, the update, all-or-nothing.

use super::batch::Batch;
use super::dropout::Dropout;
use super::loss::{self, Totals};
use super::math::fit;
use super::network::Network;
use super::optimizer;
use super::parallel::{cut, run_shards};
use super::parameters::Parameters;
use super::pass::{Pass, Reading};
use super::rows::drain;
use super::workspace::Workspace;
use crate::engine::{EncodedPair, EngineError, LabeledPair, StepReport, StepSettings};

/// A training batch is cut into about this many shards, so that threads stay busy to its end.
const SHARDS: usize = 8;

/// Packed tokens of a shard; bounds the memory of saved activations.
const SHARD_ROWS: usize = 1024;

/// Pairs of a scoring shard.
const SCORE_PAIRS: usize = 16;

/// What one thread works with.
#[derive(Debug, Default)]
pub struct Worker {
    /// Activations and scratch.
    pub workspace: Workspace,
    /// The gradient of the shard in work; all zero between shards.
    pub gradient: Vec<f32>,
    /// Token ids of the shard, whose embedding rows have a gradient; sorted, without repetition.
    pub touched: Vec<u32>,
    /// Sums over the shard.
    pub totals: Totals,
}

/// A network that can be trained.
#[derive(Debug)]
pub struct Trainer {
    /// The computation.
    pub network: Network,
    /// Its parameters and optimizer state.
    pub parameters: Parameters,
    workers: Vec<Worker>,
    pool: rayon::ThreadPool,
}

/// The settings an update needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// Learning rate.
    pub learning_rate: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Largest gradient norm; 0 turns clipping off.
    pub clip_norm: f32,
}

impl From<&StepSettings> for Update {
    fn from(settings: &StepSettings) -> Self {
        Self {
            learning_rate: settings.learning_rate,
            weight_decay: settings.weight_decay,
            clip_norm: settings.clip_norm,
        }
    }
}

impl Trainer {
    /// Joins computation and parameters; `n_threads` 0 means one a core.
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub fn new(
        network: Network,
        parameters: Parameters,
        n_threads: usize,
    ) -> Result<Self, EngineError> {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let n_threads = if n_threads == 0 { cores() } else { n_threads };
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(n_threads)
            .thread_name(|i| format!("engine-{i}"))
            .build()
            .map_err(|error| {
                EngineError::io("start threads for", "engine")(std::io::Error::other(error))
            })?;
        let workers = (0..n_threads).map(|_| Worker::default()).collect();
        Ok(Self { network, parameters, workers, pool })
    }

    /// Threads in use.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        self.workers.len()
    }

    /// Refuses the first pair that the network cannot read.
    fn check<'a>(&self, pairs: impl Iterator<Item = &'a EncodedPair>) -> Result<(), EngineError> {
        let problem = |(position, pair)| Some((position, self.network.problem(pair)?));
        match pairs.enumerate().find_map(problem) {
            Some((position, detail)) => Err(EngineError::BadPair { position, detail }),
            None => Ok(()),
        }
    }

    /// Adds the gradient of the mean loss to `self.parameters.gradient` and returns the sums.
    pub fn accumulate(&mut self, batch: &[LabeledPair<'_>], settings: &StepSettings) -> Totals {
        let n_pairs = batch.len();
        let longest = batch.iter().map(|example| longest_side(example.pair)).max();
        self.network.reserve_positions(longest.unwrap_or(0));
        let rows: Vec<usize> = batch.iter().map(|it| self.network.n_rows(it.pair)).collect();
        let shards = cut(rows.iter().copied(), n_pairs.div_ceil(SHARDS), SHARD_ROWS);
        let first_numbers = running_sums(&rows);
        let pass =
            Pass::training(Reading::Pooled, Dropout::new(settings.dropout, settings.dropout_key));
        self.sum_gradients(shards.len(), |shard, network, values, worker| {
            let examples = &batch[shards[shard].clone()];
            let pairs: Vec<&EncodedPair> = examples.iter().map(|it| it.pair).collect();
            let packed = network.pack(&pairs, first_numbers[shards[shard].start]);
            let Worker { workspace, gradient, touched, .. } = worker;
            network.reward(values, &packed, pass, workspace);
            let n = packed.n_rewards;
            let drewards = fit(&mut workspace.drewards, packed.pooled.len());
            drewards.fill(0.0);
            let preferred = examples.iter().map(|it| it.preferred);
            let rewards = &workspace.rewards[..n];
            worker.totals =
                loss::backward(settings.loss, preferred, rewards, n_pairs, &mut drewards[..n]);
            network.reward_backward(values, gradient, &packed, pass, workspace);
            remember_tokens(touched, &packed);
        })
    }

    /// Runs `work` on every shard and adds up gradients and totals in shard order.
    ///
    /// `work` gets the shard's index, the network, its parameters and a worker with a zero gradient; it leaves the
    /// shard's gradient, totals and the token ids whose embedding rows it touched.
    pub fn sum_gradients(
        &mut self,
        n_shards: usize,
        work: impl Fn(usize, &Network, &[f32], &mut Worker) + Sync,
    ) -> Totals {
        let Self { network, parameters, workers, pool } = self;
        let network = &*network;
        let (embedding, width) = network.embedding();
        let Parameters { values, gradient, .. } = parameters;
        let values = &values[..];
        for worker in workers.iter_mut() {
            worker.gradient.resize(values.len(), 0.0);
        }
        let (_, totals) = run_shards(
            pool,
            workers,
            n_shards,
            (gradient, Totals::default()),
            |shard, worker| work(shard, network, values, worker),
            |_, worker, (gradient, totals)| {
                totals.loss += worker.totals.loss;
                totals.n_correct += worker.totals.n_correct;
                for token in worker.touched.drain(..) {
                    let start = embedding.start + token as usize * width;
                    drain(
                        &mut gradient[start..start + width],
                        &mut worker.gradient[start..start + width],
                    );
                }
                drain(&mut gradient[embedding.end..], &mut worker.gradient[embedding.end..]);
            },
        );
        totals
    }

    /// Applies the gradient, unless it or the loss is not finite: then it is discarded and nothing
    /// else is changed. Returns the gradient's norm before clipping.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`].
    pub fn update(&mut self, mean_loss: f64, update: Update) -> Result<f32, EngineError> {
        let norm = optimizer::norm(&self.parameters.gradient);
        for (what, value) in [("loss", mean_loss), ("gradient norm", norm)] {
            if !value.is_finite() {
                self.parameters.gradient.fill(0.0);
                return Err(EngineError::NonFinite { what, value: value as f32 });
            }
        }
        let clip = optimizer::clip_factor(norm, update.clip_norm);
        let Update { learning_rate, weight_decay, .. } = update;
        optimizer::step(&mut self.parameters, &self.pool, learning_rate, weight_decay, clip);
        Ok(norm as f32)
    }

    /// One optimizer step.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`], [`EngineError::BadPair`]; nothing is changed.
    pub fn train_step(
        &mut self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError> {
        if batch.is_empty() {
            return Ok(StepReport { loss: 0.0, gradient_norm: 0.0, n_correct: 0, n_tokens: 0 });
        }
        self.check(batch.iter().map(|it| it.pair))?;
        let totals = self.accumulate(batch, settings);
        let mean_loss = totals.loss / batch.len() as f64;
        let gradient_norm = self.update(mean_loss, Update::from(settings))?;
        Ok(StepReport {
            loss: mean_loss as f32,
            gradient_norm,
            n_correct: totals.n_correct,
            n_tokens: batch.iter().map(|it| it.pair.n_tokens() as u64).sum(),
        })
    }

    /// Rewards `[a, b]` of each pair.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`], [`EngineError::BadPair`].
    pub fn score(&mut self, pairs: &[&EncodedPair]) -> Result<Vec<[f32; 2]>, EngineError> {
        self.check(pairs.iter().copied())?;
        let longest = pairs.iter().map(|pair| longest_side(pair)).max();
        self.network.reserve_positions(longest.unwrap_or(0));
        let max_pairs = pairs.len().div_ceil(SHARDS).clamp(1, SCORE_PAIRS);
        let shards = cut(pairs.iter().map(|it| self.network.n_rows(it)), max_pairs, SHARD_ROWS);
        let (network, values) = (&self.network, &self.parameters.values);
        let rewards = run_shards(
            &self.pool,
            &mut self.workers,
            shards.len(),
            Vec::with_capacity(pairs.len()),
            |shard, worker| {
                let packed = network.pack(&pairs[shards[shard].clone()], 0);
                network.reward(values, &packed, Pass::scoring(), &mut worker.workspace);
            },
            |shard, worker, rewards| {
                let n = 2 * shards[shard].len();
                let pairs = worker.workspace.rewards[..n].chunks_exact(2);
                rewards.extend(pairs.map(|pair| [pair[0], pair[1]]));
            },
        );
        match rewards.as_flattened().iter().find(|reward| !reward.is_finite()) {
            Some(&value) => Err(EngineError::NonFinite { what: "reward", value }),
            None => Ok(rewards),
        }
    }
}

fn longest_side(pair: &EncodedPair) -> usize {
    pair.tokens_a.len().max(pair.tokens_b.len())
}

/// Leaves the distinct token ids of a shard in `touched`.
pub fn remember_tokens(touched: &mut Vec<u32>, batch: &Batch) {
    touched.clear();
    touched.extend_from_slice(&batch.tokens);
    touched.sort_unstable();
    touched.dedup();
}

/// The sum of everything before each item.
pub fn running_sums(sizes: &[usize]) -> Vec<u32> {
    let mut sum = 0;
    sizes
        .iter()
        .map(|size| {
            let before = sum;
            sum += *size as u32;
            before
        })
        .collect()
}
