//! The parameters of a model: named slices of one flat vector, with gradient and moments beside it.
//!
//! Tensors that a layer multiplies together lie next to each other (queries, keys, values; gate,
//! up), so a [`Span`] over several of them is one larger matrix and nothing has to be fused or split
//! when a checkpoint is read or written. The token embedding comes first, since its gradient touches
//! few rows.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::domain::random::{Place, Purpose};

/// A range of the flat vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// First value.
    pub start: usize,
    /// One past the last value.
    pub end: usize,
}

impl Span {
    /// The values of this span.
    #[must_use]
    pub fn of(self, values: &[f32]) -> &[f32] {
        &values[self.start..self.end]
    }

    /// The values of this span.
    pub fn of_mut(self, values: &mut [f32]) -> &mut [f32] {
        &mut values[self.start..self.end]
    }

    /// How many values.
    #[must_use]
    pub fn len(self) -> usize {
        self.end - self.start
    }

    /// Whether the span holds nothing.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// From the start of `self` to the end of `last`; the spans between lie inside.
    #[must_use]
    pub fn through(self, last: Self) -> Self {
        Self { start: self.start, end: last.end }
    }
}

/// How a tensor starts when a checkpoint lacks it, and whether weight decay applies to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A matrix of a linear layer: normal(0, 0.02), decays.
    Matrix,
    /// An embedding table: normal(0, 0.02), does not decay.
    Embedding,
    /// The weight of a norm: ones, does not decay.
    Scale,
    /// A bias: zeros, does not decay.
    Bias,
}

/// One tensor of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in a Hugging Face checkpoint of the sequence-classification model.
    pub name: String,
    /// Its shape, row-major.
    pub shape: Vec<usize>,
    /// Its place in the flat vectors.
    pub span: Span,
    /// What it is.
    pub role: Role,
}

/// The tensors of a model, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
    n_values: usize,
}

impl Table {
    /// Appends a tensor and returns its place.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize], role: Role) -> Span {
        let len = shape.iter().product::<usize>();
        let span = Span { start: self.n_values, end: self.n_values + len };
        self.n_values = span.end;
        self.entries.push(Entry { name: name.into(), shape: shape.to_vec(), span, role });
        span
    }

    /// The tensors, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Length of the flat vectors.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.n_values
    }

    /// Ranges of equal weight decay, in order: `(span, decays)`.
    #[must_use]
    pub fn decay_ranges(&self) -> Vec<(Span, bool)> {
        let mut ranges: Vec<(Span, bool)> = Vec::new();
        for entry in &self.entries {
            let decays = entry.role == Role::Matrix;
            match ranges.last_mut() {
                Some((span, last)) if *last == decays => span.end = entry.span.end,
                _ => ranges.push((entry.span, decays)),
            }
        }
        ranges
    }
}

/// The flat vectors of a model and its optimizer.
#[derive(Debug, Clone)]
pub struct Parameters {
    /// Which slice is which tensor.
    pub table: Table,
    /// The parameters.
    pub values: Vec<f32>,
    /// The gradient of the current step; zero between steps.
    pub gradient: Vec<f32>,
    /// First moments of AdamW.
    pub first_moments: Vec<f32>,
    /// Second moments of AdamW.
    pub second_moments: Vec<f32>,
    /// Optimizer steps since the moments were last cleared.
    pub n_steps: u64,
}

impl Parameters {
    /// Takes each tensor that `source` offers and initializes the others from `rng_seed`.
    ///
    /// # Errors
    /// The name and shape of the first tensor whose offered length is wrong.
    pub fn new<'a>(
        table: Table,
        rng_seed: u64,
        source: impl Fn(&str) -> Option<&'a [f32]>,
    ) -> Result<Self, WrongLength> {
        let mut parameters = Self::random(table, rng_seed);
        for entry in parameters.table.entries() {
            let slice = entry.span.of_mut(&mut parameters.values);
            match source(&entry.name) {
                Some(given) if given.len() == slice.len() => slice.copy_from_slice(given),
                Some(given) => {
                    return Err(WrongLength {
                        name: entry.name.clone(),
                        shape: entry.shape.clone(),
                        n_values: given.len(),
                    });
                }
                None => {}
            }
        }
        Ok(parameters)
    }

    /// Initializes every tensor from `rng_seed`.
    #[must_use]
    pub fn random(table: Table, rng_seed: u64) -> Self {
        let n = table.n_values();
        let place = Place::new(rng_seed, Purpose::Initialization);
        let mut values = vec![0.0; n];
        for entry in table.entries() {
            initialize(entry.span.of_mut(&mut values), entry, &place);
        }
        Self {
            table,
            values,
            gradient: vec![0.0; n],
            first_moments: vec![0.0; n],
            second_moments: vec![0.0; n],
            n_steps: 0,
        }
    }

    /// SHA-256 over names and little-endian values in table order, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut bytes = Vec::new();
        for entry in self.table.entries() {
            hasher.update(entry.name.as_bytes());
            for chunk in entry.span.of(&self.values).chunks(4096) {
                bytes.clear();
                bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
                hasher.update(&bytes);
            }
        }
        hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            for nibble in [byte >> 4, byte & 15] {
                hex.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
            hex
        })
    }

    /// The values of each tensor by name, for tests and export.
    #[must_use]
    pub fn by_name<'a>(&'a self, values: &'a [f32]) -> BTreeMap<&'a str, &'a [f32]> {
        self.table
            .entries()
            .iter()
            .map(|entry| (entry.name.as_str(), entry.span.of(values)))
            .collect()
    }

    /// Clears moments and step count.
    pub fn reset_optimizer(&mut self) {
        self.first_moments.fill(0.0);
        self.second_moments.fill(0.0);
        self.n_steps = 0;
    }
}

/// A tensor came with another number of values than its shape has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLength {
    /// Which tensor.
    pub name: String,
    /// The shape it should have.
    pub shape: Vec<usize>,
    /// How many values it came with.
    pub n_values: usize,
}

/// The start of a tensor that no checkpoint offers, a function of `rng_seed` and its place.
fn initialize(slice: &mut [f32], entry: &Entry, place: &Place) {
    const DEVIATION: f64 = 0.02;
    match entry.role {
        Role::Scale => slice.fill(1.0),
        Role::Bias => slice.fill(0.0),
        Role::Matrix | Role::Embedding => {
            for (i, value) in slice.iter_mut().enumerate() {
                *value = (DEVIATION * place.normal((entry.span.start + i) as u64)) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::default();
        table.add("embedding", &[10, 4], Role::Embedding);
        table.add("norm", &[4], Role::Scale);
        table.add("first", &[4, 4], Role::Matrix);
        table.add("second", &[2, 4], Role::Matrix);
        table.add("bias", &[2], Role::Bias);
        table
    }

    #[test]
    fn spans_follow_each_other_and_decay_is_for_matrices() {
        let table = table();
        let spans: Vec<_> = table.entries().iter().map(|entry| entry.span).collect();
        assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!(spans[2].through(spans[3]).len(), 24);
        let ranges = table.decay_ranges();
        assert_eq!(
            ranges,
            [
                (Span { start: 0, end: 44 }, false),
                (Span { start: 44, end: 68 }, true),
                (Span { start: 68, end: 70 }, false)
            ]
        );
    }

    #[test]
    fn missing_tensors_are_initialized_by_role_and_seed() {
        let given = [0.5; 4];
        let source = |name: &str| (name == "norm").then_some(given.as_slice());
        let parameters = Parameters::new(table(), 3, source).unwrap();
        let named = parameters.by_name(&parameters.values);
        assert_eq!(named["norm"], given);
        assert_eq!(named["bias"], [0.0; 2]);
        assert!(named["first"].iter().all(|value| *value != 0.0 && value.abs() < 0.2));
        let same = Parameters::new(table(), 3, source).unwrap();
        let other = Parameters::new(table(), 4, source).unwrap();
        assert_eq!(parameters.digest(), same.digest());
        assert_ne!(parameters.digest(), other.digest());
        assert_eq!(parameters.digest().len(), 64);
    }

    #[test]
    fn a_wrong_length_names_the_tensor() {
        let error = Parameters::new(table(), 3, |_| Some([0.0; 3].as_slice())).unwrap_err();
        assert_eq!((error.name.as_str(), error.n_values), ("embedding", 3));
    }
}
