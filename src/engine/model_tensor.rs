//! The tensors of an open model, by the names they have in its files, whatever device they are on.

use std::borrow::Cow;

use half::bf16;

/// A tensor of a model.
#[derive(Debug, Clone)]
pub struct ModelTensor<'a> {
    /// Its name in a checkpoint: canonical, or PEFT's for a part of a low-rank update.
    pub name: &'a str,
    /// Its shape in row-major order.
    pub shape: &'a [usize],
    /// Whether training changes it.
    pub is_trained: bool,
    pub values: Values<'a>,
}

/// The values of a tensor in the precision they are kept in: borrowed from the processor's memory, or
/// copied from a device.
#[derive(Debug, Clone)]
pub enum Values<'a> {
    /// `f32`, as everything trained.
    F32(Cow<'a, [f32]>),
    /// `bf16`: frozen matrices and tables at half the memory.
    Bf16(Cow<'a, [bf16]>),
}

impl Values<'_> {
    /// A copy in `f32`, which holds every `bf16` exactly.
    #[must_use]
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(values) => values.to_vec(),
            Self::Bf16(values) => values.iter().map(|value| value.to_f32()).collect(),
        }
    }
}
