//! What one forward pass is given beside the parameters.

use std::cell::RefCell;
use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::batch::Padded;
use super::dropout::{Site, mask};
use super::operations::{Arithmetic, Form};
use crate::domain::spec::Tuning;

/// What a training pass does beyond a scoring one.
#[derive(Debug, Clone, Copy)]
pub struct Training {
    /// Dropout probability on embeddings and block outputs.
    pub dropout: f32,
    /// The step's key of masks.
    pub key: u64,
    /// The number of blocks below everything that is trained; like the embeddings they use no
    /// dropout, so that their output can be computed once for all steps. `None` when the embeddings
    /// are trained.
    pub trunk: Option<usize>,
}

impl Training {
    /// The number of frozen blocks at the bottom of a model of `n_layers` blocks, see
    /// [`Training::trunk`].
    #[must_use]
    pub fn trunk(tuning: &Tuning, n_layers: usize) -> Option<usize> {
        match tuning {
            Tuning::Full => None,
            Tuning::Lora(_) => Some(0),
            Tuning::TopLayers(n) => Some(n_layers.saturating_sub(*n)),
            Tuning::Head => Some(n_layers),
        }
    }

    fn drops(&self, (layer, site): (usize, Site)) -> bool {
        self.trunk.is_none_or(|n_blocks| site != Site::Embedding && layer >= n_blocks)
    }
}

/// What all blocks of one forward pass read.
#[derive(Debug)]
pub struct Pass<'a> {
    /// How matrix products are computed.
    pub arithmetic: Arithmetic,
    pub batch: &'a Padded,
    /// Where they are computed.
    pub device: &'a Device,
    /// The training settings; `None` when scoring, which records nothing for a backward pass.
    pub training: Option<Training>,
    masks: RefCell<HashMap<Option<usize>, Tensor>>,
}

impl<'a> Pass<'a> {
    /// A pass over a batch.
    #[must_use]
    pub fn new(
        arithmetic: Arithmetic,
        batch: &'a Padded,
        device: &'a Device,
        training: Option<Training>,
    ) -> Self {
        Self { arithmetic, batch, device, training, masks: RefCell::default() }
    }

    /// A parameter as this pass uses it: detached when scoring.
    #[must_use]
    pub fn value(&self, parameter: &Tensor) -> Tensor {
        if self.training.is_some() { parameter.clone() } else { parameter.detach() }
    }

    /// Which versions of the formulas this pass takes.
    #[must_use]
    pub fn form(&self) -> Form {
        if self.training.is_some() { Form::Differentiable } else { Form::Fused }
    }

    /// Dropout on rows of these numbers.
    pub fn drop(
        &self,
        x: &Tensor,
        probability: f32,
        place: (usize, Site),
        numbers: &[u32],
    ) -> Result<Tensor> {
        let drops = |training: &Training| probability > 0.0 && training.drops(place);
        let Some(Training { key, .. }) = self.training.filter(drops) else {
            return Ok(x.clone());
        };
        let width = x.dims2()?.1;
        x * mask(self.device, (probability, key), width, place, numbers)?
    }

    /// Dropout on rows of the batch, with the probability of the step.
    pub fn drop_output(&self, x: &Tensor, place: (usize, Site)) -> Result<Tensor> {
        let probability = self.training.map_or(0.0, |training| training.dropout);
        self.drop(x, probability, place, &self.batch.numbers)
    }

    /// The mask of a causal block, which is made once for each window and then reused.
    pub fn causal_mask(&self, window: Option<usize>) -> Result<Tensor> {
        if let Some(mask) = self.masks.borrow().get(&window) {
            return Ok(mask.clone());
        }
        let mask = self.batch.causal_mask(window, self.device)?;
        self.masks.borrow_mut().insert(window, mask.clone());
        Ok(mask)
    }

    /// Some rows of `x`.
    pub fn rows(&self, x: &Tensor, rows: &[u32]) -> Result<Tensor> {
        x.index_select(&super::batch::ids(rows, self.device)?, 0)
    }
}
