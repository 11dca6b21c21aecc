//! Training and scoring of a network with its parameters, in micro-batches; an update is applied
//! whole or not at all.
//!
//! One micro-batch is worked on at a time, by all threads, into one gradient. How a batch is cut
//! depends on it alone, so threads never change a result.

use super::cached_trunk::CachedTrunk;
use super::dropout::Dropout;
use super::kernel::optimizer::{self, Vectors};
use super::kernel::vector::math::fit;
use super::kernel::{Compute, Team};
use super::loss::{self, Totals};
use super::micro_batch::{cut, running_sums};
use super::network::Transformer;
use super::network::context::{Maker, Pass, Reading};
use super::network::workspace::Workspace;
use super::parameters::Parameters;
use crate::domain::spec::Precision;
use crate::engine::CacheSettings;
use crate::engine::memory::DEFAULT_MICRO_BATCH_ROWS;
use crate::engine::{EncodedPair, EngineError, LabeledPair, StepReport, StepSettings};

/// How a trainer computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Threads; 0 means one a core.
    pub n_threads: usize,
    /// Operands of matrix products.
    pub precision: Precision,
    /// Packed rows of a micro-batch; 0 means as many as are fast.
    pub micro_batch_rows: usize,
}

impl Running {
    /// In `f32` on so many threads.
    #[must_use]
    pub fn exact(n_threads: usize) -> Self {
        Self { n_threads, precision: Precision::F32, micro_batch_rows: 0 }
    }
}

/// A network that can be trained.
#[derive(Debug)]
pub struct Trainer {
    pub network: Transformer,
    /// Its parameters and optimizer state.
    pub parameters: Parameters,
    team: Team,
    precision: Precision,
    micro_batch_rows: usize,
    work: Workspace,
    pub(super) trunk: Option<CachedTrunk>,
}

/// The settings an update needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    pub learning_rate: f32,
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
    /// Joins computation and parameters.
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub fn new(
        network: Transformer,
        parameters: Parameters,
        running: Running,
    ) -> Result<Self, EngineError> {
        let micro_batch_rows = match running.micro_batch_rows {
            0 => DEFAULT_MICRO_BATCH_ROWS,
            rows => rows,
        };
        Ok(Self {
            network,
            parameters,
            team: Team::new(running.n_threads)?,
            precision: running.precision,
            micro_batch_rows,
            work: Workspace::default(),
            trunk: None,
        })
    }

    /// Keeps what the frozen trunk computes for a pair, if there is a frozen trunk.
    pub fn cache_trunk(&mut self, settings: &CacheSettings) {
        let digest = self.parameters.base_digest();
        self.trunk = CachedTrunk::open(settings, &self.network, digest, self.precision);
    }

    /// How many threads compute its kernels.
    #[must_use]
    pub fn n_threads(&self) -> usize {
        self.team.n_threads()
    }

    /// Packed rows of a micro-batch.
    #[must_use]
    pub fn micro_batch_rows(&self) -> usize {
        self.micro_batch_rows
    }

    /// Bytes held by the activations and scratch of the largest micro-batch so far.
    #[cfg(test)]
    #[must_use]
    pub fn n_workspace_bytes(&self) -> usize {
        self.work.n_bytes()
    }

    /// Refuses the first pair that the network cannot read.
    fn check<'a>(&self, pairs: impl Iterator<Item = &'a EncodedPair>) -> Result<(), EngineError> {
        let problem = |(position, pair)| Some((position, self.network.problem(pair)?));
        match pairs.enumerate().find_map(problem) {
            Some((position, detail)) => Err(EngineError::BadPair { position, detail }),
            None => Ok(()),
        }
    }

    /// Runs `work` inside the team with the network, a maker of contexts, the gradient to add to and
    /// the buffers.
    pub(super) fn run<R: Send>(
        &mut self,
        work: impl FnOnce(&Transformer, Maker<'_>, &mut [f32], &mut Workspace) -> R + Send,
    ) -> R {
        self.run_cached(|network, maker, gradient, buffers, _| {
            work(network, maker, gradient, buffers)
        })
    }

    /// [`Trainer::run`] with the cached trunk, where there is one.
    fn run_cached<R: Send>(
        &mut self,
        work: impl FnOnce(
            &Transformer,
            Maker<'_>,
            &mut [f32],
            &mut Workspace,
            &mut Option<CachedTrunk>,
        ) -> R
        + Send,
    ) -> R {
        let Self { network, parameters, team, precision, work: buffers, trunk, .. } = self;
        let (weights, gradient) = parameters.weights_and_gradient();
        let maker = Maker { on: Compute { team, precision: *precision }, weights };
        let network = &*network;
        team.install(|| work(network, maker, gradient, buffers, trunk))
    }

    /// Adds the gradient of the mean loss to `self.parameters.gradient` and returns the sums.
    pub fn accumulate(&mut self, batch: &[LabeledPair<'_>], settings: &StepSettings) -> Totals {
        let n_pairs = batch.len();
        let longest = batch.iter().map(|example| longest_side(example.pair)).max();
        self.network.reserve_positions(longest.unwrap_or(0));
        let rows: Vec<usize> = batch.iter().map(|it| self.network.n_rows(it.pair)).collect();
        let first_numbers = running_sums(&rows);
        let pass =
            Pass::training(Reading::Pooled, Dropout::new(settings.dropout, settings.dropout_key));
        let runs = cut(rows.into_iter(), self.micro_batch_rows);
        self.run_cached(|network, maker, gradient, work, trunk| {
            let mut totals = Totals::default();
            for run in runs {
                let examples = &batch[run.clone()];
                let pairs: Vec<&EncodedPair> = examples.iter().map(|it| it.pair).collect();
                let packed = network.pack(&pairs, first_numbers[run.start]);
                let cx = maker.context(&packed, pass);
                match trunk {
                    Some(trunk) => trunk.reward(network, maker, cx, &pairs, work),
                    None => network.reward(cx, work),
                }
                let n = packed.pooled.len();
                let (rewards, drewards) = (&work.rewards[..n], fit(&mut work.drewards, n));
                totals += loss::backward(settings.loss, examples, rewards, n_pairs, drewards);
                network.reward_backward(cx, gradient, work);
            }
            totals
        })
    }

    /// Applies the gradient, unless it or the loss is not finite: then it is discarded and nothing
    /// else is changed. Returns the gradient's norm before clipping.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`].
    pub fn update(&mut self, mean_loss: f64, update: Update) -> Result<f32, EngineError> {
        let Self { parameters, team, .. } = self;
        let norm = team.install(|| optimizer::norm(team, &parameters.gradient));
        for (what, value) in [("loss", mean_loss), ("gradient norm", norm)] {
            if !value.is_finite() {
                parameters.gradient.fill(0.0);
                return Err(EngineError::NonFinite { what, value: value as f32 });
            }
        }
        parameters.n_steps += 1;
        let step = optimizer::Step {
            number: parameters.n_steps,
            learning_rate: update.learning_rate,
            weight_decay: update.weight_decay,
            clip: optimizer::clip_factor(norm, update.clip_norm),
        };
        let decays = parameters.table.decay_ranges();
        let decays: Vec<_> = decays.into_iter().map(|(it, decays)| (it.range(), decays)).collect();
        let Parameters { values, gradient, first_moments, second_moments, .. } = parameters;
        let vectors = Vectors { values, gradient, first_moments, second_moments };
        team.install(|| optimizer::step(team, vectors, &decays, step));
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
        let runs = cut(pairs.iter().map(|it| self.network.n_rows(it)), self.micro_batch_rows);
        let mut rewards = Vec::with_capacity(2 * pairs.len());
        self.run_cached(|network, maker, _, work, trunk| {
            for run in runs {
                let packed = network.pack(&pairs[run.clone()], 0);
                let cx = maker.context(&packed, Pass::scoring());
                match trunk {
                    Some(trunk) => trunk.reward(network, maker, cx, &pairs[run], work),
                    None => network.reward(cx, work),
                }
                rewards.extend_from_slice(&work.rewards[..packed.pooled.len()]);
            }
        });
        check_finite(&rewards)?;
        Ok(rewards.as_chunks::<2>().0.to_vec())
    }
}

fn check_finite(rewards: &[f32]) -> Result<(), EngineError> {
    match rewards.iter().find(|reward| !reward.is_finite()) {
        Some(&value) => Err(EngineError::NonFinite { what: "reward", value }),
        None => Ok(()),
    }
}

fn longest_side(pair: &EncodedPair) -> usize {
    pair.tokens_a.len().max(pair.tokens_b.len())
}
