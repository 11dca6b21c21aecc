//! Gives the tensors of a family their places: what is trained, what is frozen and how, which
//! matrices have adapters.

use super::adapter::Adapter;
use super::affine::Affine;
use super::norm::{LayerNorm, RmsNorm};
use super::stage::Stage;
use crate::domain::spec::{LoraTarget, Precision, Tuning};
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::Linear;
use crate::engine::cpu::table::{Role, Slot, Span, Store, Table, Tensor};
use crate::engine::files::layout::{Kind, Layout, Part, TensorSpec, adapter_names};

/// Appends tensors in order. The stage that was entered last decides whether they are trained.
#[derive(Debug)]
pub struct Builder<'a> {
    layout: Layout,
    table: Table,
    tuning: &'a Tuning,
    frozen: Precision,
    lowest: Stage,
    stage: Stage,
}

impl<'a> Builder<'a> {
    /// An empty table for a network of `n_blocks` blocks; the first stage is that of the
    /// embeddings.
    pub fn new(layout: Layout, tuning: &'a Tuning, frozen: Precision, n_blocks: usize) -> Self {
        let lowest = Stage::lowest_whole(tuning, n_blocks);
        let (table, stage) = (Table::default(), Stage::Embedding);
        Self { layout, table, tuning, frozen, lowest, stage }
    }

    /// Goes on to another stage.
    pub fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// The finished table of every parameter.
    pub fn finish(self) -> Table {
        self.table
    }

    fn layer(&self) -> Option<usize> {
        match self.stage {
            Stage::Block(layer) => Some(layer),
            Stage::Embedding | Stage::FinalNorm | Stage::Head => None,
        }
    }

    fn place(&mut self, spec: TensorSpec) -> Slot {
        let role = match spec.kind {
            Kind::Matrix => Role::Matrix,
            Kind::Embedding => Role::Embedding,
            Kind::Scale => Role::Scale,
            Kind::Bias => Role::Bias,
        };
        let store = if self.stage >= self.lowest {
            Store::Trained
        } else if self.frozen == Precision::Bf16 && role.may_be_half() {
            Store::Half
        } else {
            Store::Frozen
        };
        self.table.add(Tensor { name: spec.name, shape: spec.shape, role }, store)
    }

    /// Places the weight of a part that the family may lack.
    pub fn optional_weight(&mut self, part: Part) -> Option<Slot> {
        let spec = self.layout.weight(self.layer(), part).cloned();
        spec.map(|spec| self.place(spec))
    }

    /// Places the bias of a part, if it has one.
    pub fn bias(&mut self, part: Part) -> Option<Slot> {
        let spec = self.layout.bias(self.layer(), part).cloned();
        spec.map(|spec| self.place(spec))
    }

    /// Places the weight of a part that the family has.
    pub fn weight(&mut self, part: Part) -> Slot {
        self.optional_weight(part).unwrap_or(NOTHING)
    }

    /// Places the weight of an RMS norm.
    pub fn rms_norm(&mut self, part: Part, epsilon: f32) -> RmsNorm {
        RmsNorm { weight: self.weight(part), epsilon }
    }

    /// Places weight and bias of a layer norm.
    pub fn layer_norm(&mut self, part: Part, epsilon: f32) -> LayerNorm {
        let weight = self.weight(part);
        LayerNorm { weight, bias: self.bias(part).unwrap_or(NOTHING), epsilon }
    }

    /// Places linear layers that read rows of one width: first all weights, then all biases, so
    /// that the matrices of a group are one matrix with one bias.
    pub fn affines<const N: usize>(&mut self, groups: [&[Part]; N]) -> [Affine; N] {
        let weights =
            groups.map(|group| joined(group.iter().filter_map(|part| self.optional_weight(*part))));
        let biases = groups.map(|group| joined(group.iter().filter_map(|part| self.bias(*part))));
        std::array::from_fn(|i| {
            let (mut output, mut input) = (0, 0);
            for part in groups[i] {
                let shape = self.layout.weight(self.layer(), *part).map(|spec| &spec.shape);
                if let Some(&[rows, columns]) = shape.map(Vec::as_slice) {
                    (output, input) = (output + rows, columns);
                }
            }
            let adapters = self.adapters(groups[i]);
            let (weight, bias) = (weights[i].unwrap_or(NOTHING), biases[i]);
            Affine { shape: Linear { input, output }, weight, bias, adapters }
        })
    }

    /// Places one linear layer.
    pub fn affine(&mut self, part: Part) -> Affine {
        let [affine] = self.affines([&[part]]);
        affine
    }

    /// Places the adapters of a group.
    fn adapters(&mut self, group: &[Part]) -> Vec<Adapter> {
        let (Tuning::Lora(lora), Stage::Block(layer)) = (self.tuning, self.stage) else {
            return Vec::new();
        };
        let rank = lora.rank as usize;
        let mut adapters = Vec::new();
        let mut column = 0;
        for part in group {
            let Some(spec) = self.layout.weight(Some(layer), *part) else { continue };
            let (rows, input) = (spec.shape[0], spec.shape[1]);
            let columns = column..column + rows;
            column += rows;
            let is_it = |target: &&LoraTarget| Part::of_target(**target) == *part;
            let Some(target) = lora.targets.iter().find(is_it) else { continue };
            let [a, b] = adapter_names(&spec.name);
            let mut place = |name, shape: [usize; 2], role| {
                self.table.add(Tensor { name, shape: shape.to_vec(), role }, Store::Trained)
            };
            adapters.push(Adapter {
                down: place(a, [rank, input], Role::AdapterDown),
                up: place(b, [rows, rank], Role::AdapterUp),
                rank,
                scale: lora.alpha / rank as f32,
                dropout: lora.dropout,
                place: (layer, Site::of_target(*target)),
                columns,
            });
        }
        adapters
    }
}

/// The place of a tensor that a family lacks. It is never used, since a network asks only for
/// tensors its family has; the tests build every family.
const NOTHING: Slot = Slot { store: Store::Frozen, span: Span { start: 0, end: 0 } };

fn joined(mut slots: impl Iterator<Item = Slot>) -> Option<Slot> {
    let first = slots.next()?;
    Some(slots.last().map_or(first, |last| first.through(last)))
}
