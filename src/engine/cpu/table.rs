//! The tensors of a model: name, shape, and where the values lie.

/// A range of a flat vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
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

    /// The same as a standard range.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start..self.end
    }

    /// How many values the span covers.
    #[must_use]
    pub fn len(self) -> usize {
        self.end - self.start
    }
}

/// Which vector holds a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Store {
    /// The trained values, with gradient and moments.
    Trained,
    /// Frozen, `f32`.
    Frozen,
    /// Frozen, bf16: matrices and embedding tables only.
    Half,
}

/// Where a tensor lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    pub store: Store,
    pub span: Span,
}

impl Slot {
    /// Whether training changes the tensor.
    #[must_use]
    pub fn is_trained(self) -> bool {
        self.store == Store::Trained
    }

    /// From the start of `self` to the end of `last`, which lies in the same vector; the tensors
    /// between lie inside.
    #[must_use]
    pub fn through(self, last: Self) -> Self {
        Self { span: Span { start: self.span.start, end: last.span.end }, ..self }
    }

    /// The part of the gradient vector that belongs to a trained tensor.
    pub fn gradient(self, gradient: &mut [f32]) -> Option<&mut [f32]> {
        self.is_trained().then(|| self.span.of_mut(gradient))
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
    /// `A` of a low-rank adapter, `[rank, input]`: uniform within `1 / sqrt(input)`, decays.
    AdapterDown,
    /// `B` of a low-rank adapter, `[output, rank]`: zeros, decays.
    AdapterUp,
}

impl Role {
    /// Whether weight decay applies.
    #[must_use]
    pub fn decays(self) -> bool {
        matches!(self, Self::Matrix | Self::AdapterDown | Self::AdapterUp)
    }

    /// Whether a frozen tensor may be kept in bf16.
    #[must_use]
    pub fn may_be_half(self) -> bool {
        matches!(self, Self::Matrix | Self::Embedding)
    }

    fn is_adapter(self) -> bool {
        matches!(self, Self::AdapterDown | Self::AdapterUp)
    }
}

/// A tensor without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Its name in a Hugging Face checkpoint of the sequence-classification model.
    pub name: String,
    /// Its shape in row-major order.
    pub shape: Vec<usize>,
    pub role: Role,
}

/// One tensor of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in a Hugging Face checkpoint of the sequence-classification model.
    pub name: String,
    /// Its shape in row-major order.
    pub shape: Vec<usize>,
    pub slot: Slot,
    pub role: Role,
    /// Number of its first value in the model, the key of its initial values: the same whatever is
    /// trained.
    pub number: u64,
}

/// Numbers of adapter values start here, so that adding adapters does not change the initial values
/// of other tensors.
const FIRST_ADAPTER_NUMBER: u64 = 1 << 48;

/// The tensors of a model, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    entries: Vec<Entry>,
    n_trained: usize,
    n_frozen: usize,
    n_half: usize,
    n_adapter: u64,
    n_base: u64,
}

impl Table {
    /// Appends a tensor to a store and returns its place.
    pub fn add(&mut self, tensor: Tensor, store: Store) -> Slot {
        let Tensor { name, shape, role } = tensor;
        let len = shape.iter().product::<usize>();
        let filled = match store {
            Store::Trained => &mut self.n_trained,
            Store::Frozen => &mut self.n_frozen,
            Store::Half => &mut self.n_half,
        };
        let slot = Slot { store, span: Span { start: *filled, end: *filled + len } };
        *filled += len;
        let (first, counter) = if role.is_adapter() {
            (FIRST_ADAPTER_NUMBER, &mut self.n_adapter)
        } else {
            (0, &mut self.n_base)
        };
        let number = first + *counter;
        *counter += len as u64;
        self.entries.push(Entry { name, shape, slot, role, number });
        slot
    }

    /// The tensors, in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Length of a flat vector.
    #[must_use]
    pub fn n_values(&self, store: Store) -> usize {
        match store {
            Store::Trained => self.n_trained,
            Store::Frozen => self.n_frozen,
            Store::Half => self.n_half,
        }
    }

    /// Ranges of equal weight decay of the trained values, in order: `(span, decays)`.
    #[must_use]
    pub fn decay_ranges(&self) -> Vec<(Span, bool)> {
        let mut ranges: Vec<(Span, bool)> = Vec::new();
        for entry in self.entries.iter().filter(|entry| entry.slot.is_trained()) {
            let decays = entry.role.decays();
            match ranges.last_mut() {
                Some((span, last)) if *last == decays => span.end = entry.slot.span.end,
                _ => ranges.push((entry.slot.span, decays)),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_and_decay_is_for_matrices() {
        let mut table = Table::default();
        let mut add = |role, len, store| {
            table.add(Tensor { name: "t".into(), shape: vec![len], role }, store)
        };
        add(Role::Embedding, 40, Store::Trained);
        add(Role::Matrix, 7, Store::Half);
        add(Role::Scale, 4, Store::Trained);
        let first = add(Role::Matrix, 16, Store::Trained);
        add(Role::AdapterDown, 3, Store::Trained);
        add(Role::Bias, 9, Store::Frozen);
        let second = add(Role::Matrix, 8, Store::Trained);
        add(Role::Bias, 2, Store::Trained);
        assert_eq!(first.through(second).span, Span { start: 44, end: 71 });
        let span = |start, end| Span { start, end };
        assert_eq!(
            table.decay_ranges(),
            [(span(0, 44), false), (span(44, 71), true), (span(71, 73), false)]
        );
        let stores = [Store::Trained, Store::Frozen, Store::Half];
        assert_eq!(stores.map(|store| table.n_values(store)), [73, 9, 7]);
        let numbers: Vec<u64> = table.entries().iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, [0, 40, 47, 51, FIRST_ADAPTER_NUMBER, 67, 76, 84]);
    }
}
