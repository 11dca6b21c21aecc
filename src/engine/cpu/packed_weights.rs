//! The matrices of a model in panels, beside the parameters they were packed from: for passes over few
//! rows, which would spend their time with packing.

use std::collections::HashMap;

use super::kernel::{Compute, Linear, Packed};
use super::parameters::Weights;
use super::table::{Slot, Store};

/// Packed matrices by their places.
#[derive(Debug, Default)]
pub struct PackedWeights {
    by_place: HashMap<(Store, usize), Packed>,
}

impl PackedWeights {
    /// Packs `layers` for products of the precision of `on`.
    #[must_use]
    pub fn new(on: Compute<'_>, weights: Weights<'_>, layers: &[(Slot, Linear)]) -> Self {
        let place = |slot: Slot| (slot.store, slot.span.start);
        let pack = |(slot, shape): &(Slot, Linear)| {
            (place(*slot), Packed::new(on, *shape, weights.matrix(*slot)))
        };
        Self { by_place: layers.iter().map(pack).collect() }
    }

    /// A matrix in panels; `None` where it is not packed.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&Packed> {
        self.by_place.get(&(slot.store, slot.span.start))
    }
}
