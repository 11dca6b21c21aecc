//! The parameters of a model: trained tensors in flat `f32` vectors with gradient and moments
//! beside them, frozen tensors in a store of their own in `f32` or bf16 with neither.
//!
//! Tensors that a layer multiplies together lie next to each other (keys and values; gate and up),
//! so a [`Slot`] over several of them is one larger matrix and nothing has to be fused or split
//! when a checkpoint is read or written. Which tensor is trained is decided while the table is laid
//! out; the layers only ask [`Weights`] for their slots.

#[cfg(test)]
use std::collections::BTreeMap;

use half::bf16;
use sha2::{Digest, Sha256};

use super::kernel::{Packed, Weight};
use super::packed_weights::PackedWeights;
use super::table::{Entry, Role, Slot, Store, Table};
use crate::domain::random::{Place, Purpose};
use crate::engine::{EngineError, ModelTensor, Values};

/// Where initial values come from, tensor by tensor.
pub trait TensorSource {
    /// Fills `to` with the tensor of that name; `false` when there is none.
    ///
    /// # Errors
    /// When the tensor is there but cannot be read or has another size.
    fn read(&self, name: &str, to: &mut [f32]) -> Result<bool, EngineError>;

    /// As [`TensorSource::read`], rounded to bf16.
    ///
    /// # Errors
    /// As [`TensorSource::read`].
    fn read_bf16(&self, name: &str, to: &mut [bf16]) -> Result<bool, EngineError> {
        let mut values = vec![0.0; to.len()];
        let is_there = self.read(name, &mut values)?;
        round(&values, to);
        Ok(is_there)
    }
}

/// A source without tensors: every tensor gets its initial values from the random seed.
#[derive(Debug, Clone, Copy)]
pub struct NoSource;

impl TensorSource for NoSource {
    fn read(&self, _: &str, _: &mut [f32]) -> Result<bool, EngineError> {
        Ok(false)
    }
}

/// The values a pass reads, trained and frozen.
#[derive(Debug, Clone, Copy)]
pub struct Weights<'a> {
    trained: &'a [f32],
    frozen: &'a [f32],
    halves: &'a [bf16],
    packed: Option<&'a PackedWeights>,
}

impl<'a> Weights<'a> {
    /// A matrix or an embedding table.
    #[must_use]
    pub fn matrix(self, slot: Slot) -> Weight<'a> {
        match slot.store {
            Store::Trained => Weight::F32(slot.span.of(self.trained)),
            Store::Frozen => Weight::F32(slot.span.of(self.frozen)),
            Store::Half => Weight::Bf16(&self.halves[slot.span.start..slot.span.end]),
        }
    }

    /// The same, with matrices that are packed where `packed` has them.
    #[must_use]
    pub fn with_packed(self, packed: &'a PackedWeights) -> Self {
        Self { packed: Some(packed), ..self }
    }

    /// A matrix in panels, where it is packed.
    #[must_use]
    pub fn packed(self, slot: Slot) -> Option<&'a Packed> {
        self.packed?.get(slot)
    }

    /// A bias, the weight of a norm, or a part of an adapter: always `f32`.
    #[must_use]
    pub fn vector(self, slot: Slot) -> &'a [f32] {
        match slot.store {
            Store::Trained => slot.span.of(self.trained),
            Store::Frozen | Store::Half => slot.span.of(self.frozen),
        }
    }
}

/// The flat vectors of a model and its optimizer.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Which slice is which tensor.
    pub table: Table,
    pub values: Vec<f32>,
    /// The gradient of the current step; zero between steps.
    pub gradient: Vec<f32>,
    /// First moments of AdamW.
    pub first_moments: Vec<f32>,
    /// Second moments of AdamW.
    pub second_moments: Vec<f32>,
    /// Optimizer steps since the moments were last cleared.
    pub n_steps: u64,
    /// Frozen tensors in `f32`.
    frozen: Vec<f32>,
    /// Frozen matrices in bf16.
    halves: Vec<bf16>,
    /// Digest of the frozen tensors; empty when there are none.
    base_digest: String,
}

impl Parameters {
    /// Takes each tensor that `source` offers and initializes the others from `rng_seed`. Beside
    /// the stores, at most one tensor is in memory at a time.
    ///
    /// # Errors
    /// What the source says.
    pub fn new(
        table: Table,
        rng_seed: u64,
        source: &dyn TensorSource,
    ) -> Result<Self, EngineError> {
        let place = Place::new(rng_seed, Purpose::Initialization);
        let mut values = vec![0.0; table.n_values(Store::Trained)];
        let mut frozen = vec![0.0; table.n_values(Store::Frozen)];
        let mut halves = vec![bf16::ZERO; table.n_values(Store::Half)];
        for entry in table.entries() {
            let span = entry.slot.span;
            match entry.slot.store {
                Store::Half => {
                    let to = &mut halves[span.start..span.end];
                    if !source.read_bf16(&entry.name, to)? {
                        let mut start = vec![0.0; span.len()];
                        initialize(&mut start, entry, &place);
                        round(&start, to);
                    }
                }
                store => {
                    let store = if store == Store::Trained { &mut values } else { &mut frozen };
                    let to = span.of_mut(store);
                    if !source.read(&entry.name, to)? {
                        initialize(to, entry, &place);
                    }
                }
            }
        }
        let n = values.len();
        let mut parameters = Self {
            table,
            values,
            gradient: vec![0.0; n],
            first_moments: vec![0.0; n],
            second_moments: vec![0.0; n],
            n_steps: 0,
            frozen,
            halves,
            base_digest: String::new(),
        };
        if !(parameters.frozen.is_empty() && parameters.halves.is_empty()) {
            parameters.base_digest = parameters.digest_of(|store| store != Store::Trained, "");
        }
        Ok(parameters)
    }

    /// Gives the trained tensors their first values again, those of [`Parameters::new`], and clears
    /// the optimizer.
    ///
    /// # Errors
    /// What the source says; some tensors have their first values then.
    pub fn restart(&mut self, rng_seed: u64, source: &dyn TensorSource) -> Result<(), EngineError> {
        let place = Place::new(rng_seed, Purpose::Initialization);
        for entry in self.table.entries().iter().filter(|it| it.slot.store == Store::Trained) {
            let to = entry.slot.span.of_mut(&mut self.values);
            if !source.read(&entry.name, to)? {
                initialize(to, entry, &place);
            }
        }
        self.gradient.fill(0.0);
        self.reset_optimizer();
        Ok(())
    }

    /// What a pass reads.
    #[must_use]
    pub fn weights(&self) -> Weights<'_> {
        Weights { trained: &self.values, frozen: &self.frozen, halves: &self.halves, packed: None }
    }

    /// What a pass reads, and the gradient that a backward pass adds to.
    pub fn weights_and_gradient(&mut self) -> (Weights<'_>, &mut [f32]) {
        let Self { values, gradient, frozen, halves, .. } = self;
        (Weights { trained: values, frozen, halves, packed: None }, gradient)
    }

    /// Digest of the frozen tensors in the precision they are kept in; empty when all are trained.
    #[must_use]
    pub fn base_digest(&self) -> &str {
        &self.base_digest
    }

    /// SHA-256 in hex over the trained tensors (names and little-endian values by name)
    /// and, when there is a frozen base, its digest.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest_of(|store| store == Store::Trained, &self.base_digest)
    }

    fn digest_of(&self, is_in: impl Fn(Store) -> bool, suffix: &str) -> String {
        let mut hasher = Sha256::new();
        let mut bytes = Vec::new();
        let is_in = |entry: &&Entry| is_in(entry.slot.store);
        let mut entries: Vec<&Entry> = self.table.entries().iter().filter(is_in).collect();
        // By name, because other implementations lay the tensors out in another order.
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        for entry in entries {
            hasher.update(entry.name.as_bytes());
            match self.weights().matrix(entry.slot) {
                Weight::F32(values) => {
                    for chunk in values.chunks(4096) {
                        bytes.clear();
                        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
                        hasher.update(&bytes);
                    }
                }
                Weight::Bf16(values) => {
                    for chunk in values.chunks(4096) {
                        bytes.clear();
                        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
                        hasher.update(&bytes);
                    }
                }
            }
        }
        hasher.update(suffix.as_bytes());
        hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
            hex
        })
    }

    /// Every tensor in order, with its values.
    #[must_use]
    pub fn tensors(&self) -> Vec<ModelTensor<'_>> {
        let weights = self.weights();
        let entries = self.table.entries().iter();
        entries
            .map(|entry| ModelTensor {
                name: &entry.name,
                shape: &entry.shape,
                is_trained: entry.slot.is_trained(),
                values: match weights.matrix(entry.slot) {
                    Weight::F32(values) => Values::F32(values.into()),
                    Weight::Bf16(values) => Values::Bf16(values.into()),
                },
            })
            .collect()
    }

    /// The trained tensors in order, with their place in the flat vectors.
    pub fn trained(&self) -> impl Iterator<Item = &Entry> {
        self.table.entries().iter().filter(|entry| entry.slot.store == Store::Trained)
    }

    /// The slices of a flat vector by name.
    #[cfg(test)]
    #[must_use]
    pub fn by_name<'a>(&'a self, values: &'a [f32]) -> BTreeMap<&'a str, &'a [f32]> {
        self.trained().map(|entry| (entry.name.as_str(), entry.slot.span.of(values))).collect()
    }

    /// Clears moments and step count.
    pub fn reset_optimizer(&mut self) {
        self.first_moments.fill(0.0);
        self.second_moments.fill(0.0);
        self.n_steps = 0;
    }

    /// Bytes of all vectors: weights, gradient and moments.
    #[cfg(test)]
    #[must_use]
    pub fn n_bytes(&self) -> usize {
        16 * self.values.len() + 4 * self.frozen.len() + 2 * self.halves.len()
    }
}

/// Rounds to the nearest bf16, ties to even.
fn round(values: &[f32], to: &mut [bf16]) {
    for (to, value) in to.iter_mut().zip(values) {
        *to = bf16::from_f32(*value);
    }
}

/// Fills a tensor that no checkpoint has with its initial values. They are a function of `rng_seed`
/// and the tensor's place in the model, whatever is trained.
fn initialize(slice: &mut [f32], entry: &Entry, place: &Place) {
    /// Standard deviation of new matrices, `initializer_range` of transformers.
    const DEVIATION: f64 = 0.02;
    match entry.role {
        Role::Scale => slice.fill(1.0),
        Role::Bias | Role::AdapterUp => slice.fill(0.0),
        Role::Matrix | Role::Embedding => {
            for (i, value) in slice.iter_mut().enumerate() {
                *value = (DEVIATION * place.normal(entry.number + i as u64)) as f32;
            }
        }
        Role::AdapterDown => {
            let bound = 1.0 / (entry.shape[1] as f64).sqrt();
            for (i, value) in slice.iter_mut().enumerate() {
                *value = (bound * (2.0 * place.unit(entry.number + i as u64) - 1.0)) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::table::Tensor;

    /// `embedding` and `first` frozen, in bf16 or not.
    fn table(half: bool) -> Table {
        let mut table = Table::default();
        let store = if half { Store::Half } else { Store::Frozen };
        let mut add = |name: &str, shape: &[usize], role, store| {
            table.add(Tensor { name: name.into(), shape: shape.to_vec(), role }, store)
        };
        add("embedding", &[10, 4], Role::Embedding, store);
        add("first", &[4, 4], Role::Matrix, store);
        add("norm", &[4], Role::Scale, Store::Trained);
        add("second", &[2, 4], Role::Matrix, Store::Trained);
        add("bias", &[2], Role::Bias, Store::Trained);
        add("a", &[2, 4], Role::AdapterDown, Store::Trained);
        add("b", &[4, 2], Role::AdapterUp, Store::Trained);
        table
    }

    struct One(&'static str, f32);

    impl TensorSource for One {
        fn read(&self, name: &str, to: &mut [f32]) -> Result<bool, EngineError> {
            if name == self.0 {
                to.fill(self.1);
            }
            Ok(name == self.0)
        }
    }

    #[test]
    fn missing_tensors_are_initialized_by_role_and_seed() {
        let parameters = Parameters::new(table(false), 3, &One("norm", 0.5)).unwrap();
        let named = parameters.by_name(&parameters.values);
        assert_eq!(named["norm"], [0.5; 4]);
        assert_eq!(named["bias"], [0.0; 2]);
        assert!(named["second"].iter().all(|value| *value != 0.0 && value.abs() < 0.2));
        assert_eq!(named["b"], [0.0; 8]);
        assert!(named["a"].iter().all(|value| value.abs() <= 0.5));
        assert!(named["a"].iter().any(|value| value.abs() > 0.2));
        let same = Parameters::new(table(false), 3, &One("norm", 0.5)).unwrap();
        let other = Parameters::new(table(false), 4, &One("norm", 0.5)).unwrap();
        let mut moved = same.clone();
        moved.values.fill(7.0);
        moved.restart(3, &One("norm", 0.5)).unwrap();
        assert_eq!(moved.digest(), same.digest());
        assert_eq!(parameters.digest(), same.digest());
        assert_ne!(parameters.digest(), other.digest());
        assert_eq!(parameters.digest().len(), 64);
    }

    #[test]
    fn a_frozen_base_has_a_digest_of_its_own_and_no_gradient() {
        let parameters = Parameters::new(table(true), 3, &NoSource).unwrap();
        assert_eq!(parameters.gradient.len(), 4 + 8 + 2 + 8 + 8);
        assert_eq!(parameters.halves.len(), 56);
        let other = Parameters::new(table(true), 3, &One("first", 0.25)).unwrap();
        assert_ne!(parameters.base_digest(), other.base_digest());
        assert_ne!(parameters.digest(), other.digest());
        assert_eq!(parameters.values, other.values);
        let wide = Parameters::new(table(false), 3, &NoSource).unwrap();
        for (half, wide) in parameters.halves.iter().zip(&wide.frozen) {
            assert_eq!(*half, bf16::from_f32(*wide));
        }
        assert_eq!(wide.n_bytes() - parameters.n_bytes(), 2 * 56);
    }
}
