//! Lays out the tensors of a network: what is trained, what is frozen and how, which matrices have
//! adapters.

use super::adapter::Adapter;
use super::affine::Affine;
use super::norm::{LayerNorm, RmsNorm};
use super::stage::Stage;
use crate::domain::model_spec::LoraTarget;
use crate::engine::Precision;
use crate::engine::Tuning;
use crate::engine::cpu::dropout::Site;
use crate::engine::cpu::kernel::Linear;
use crate::engine::cpu::table::{Role, Slot, Store, Table, Tensor};

/// A matrix of a linear layer.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name without `.weight`.
    pub stem: String,
    /// Its rows.
    pub rows: usize,
    /// What adapters call it.
    pub target: Option<LoraTarget>,
}

/// Appends tensors in order; the stage in work decides what is trained.
#[derive(Debug)]
pub struct Layout<'a> {
    table: Table,
    tuning: &'a Tuning,
    frozen: Precision,
    lowest: Stage,
    stage: Stage,
}

impl<'a> Layout<'a> {
    /// An empty table for a network of so many blocks, at the embeddings.
    pub fn new(tuning: &'a Tuning, frozen: Precision, n_blocks: usize) -> Self {
        let lowest = Stage::lowest_whole(tuning, n_blocks);
        Self { table: Table::default(), tuning, frozen, lowest, stage: Stage::Embedding }
    }

    /// Goes on to another stage.
    pub fn enter(&mut self, stage: Stage) {
        self.stage = stage;
    }

    /// The table.
    pub fn finish(self) -> Table {
        self.table
    }

    /// Appends one tensor.
    pub fn tensor(&mut self, name: impl Into<String>, shape: &[usize], role: Role) -> Slot {
        let store = if self.stage >= self.lowest {
            Store::Trained
        } else if self.frozen == Precision::Bf16 && role.may_be_half() {
            Store::Half
        } else {
            Store::Frozen
        };
        self.table.add(Tensor { name: name.into(), shape: shape.to_vec(), role }, store)
    }

    /// Appends the weight of an RMS norm.
    pub fn rms_norm(&mut self, stem: &str, width: usize, epsilon: f32) -> RmsNorm {
        RmsNorm { weight: self.tensor(format!("{stem}.weight"), &[width], Role::Scale), epsilon }
    }

    /// Appends weight and bias of a layer norm.
    pub fn layer_norm(&mut self, stem: &str, width: usize, epsilon: f32) -> LayerNorm {
        let weight = self.tensor(format!("{stem}.weight"), &[width], Role::Scale);
        let bias = self.tensor(format!("{stem}.bias"), &[width], Role::Bias);
        LayerNorm { weight, bias, epsilon }
    }

    /// Appends linear layers that read rows of one width: first all weights, then all biases, so
    /// that the matrices of a group are one matrix with one bias.
    pub fn affines<const N: usize>(
        &mut self,
        input: usize,
        has_bias: bool,
        groups: [&[Named]; N],
    ) -> [Affine; N] {
        let weights = groups.map(|group| {
            self.joined(
                group,
                |it| (format!("{}.weight", it.stem), vec![it.rows, input]),
                Role::Matrix,
            )
        });
        let biases = groups.map(|group| {
            has_bias.then(|| {
                self.joined(group, |it| (format!("{}.bias", it.stem), vec![it.rows]), Role::Bias)
            })
        });
        std::array::from_fn(|i| {
            let output = groups[i].iter().map(|it| it.rows).sum();
            let adapters = self.adapters(input, groups[i]);
            let shape = Linear { input, output };
            Affine { shape, weight: weights[i], bias: biases[i], adapters }
        })
    }

    /// One linear layer with one matrix.
    pub fn affine(
        &mut self,
        stem: impl Into<String>,
        shape: Linear,
        has_bias: bool,
        target: Option<LoraTarget>,
    ) -> Affine {
        let named = Named { stem: stem.into(), rows: shape.output, target };
        let [affine] = self.affines(shape.input, has_bias, [&[named]]);
        affine
    }

    fn joined(
        &mut self,
        group: &[Named],
        name: impl Fn(&Named) -> (String, Vec<usize>),
        role: Role,
    ) -> Slot {
        let mut slots = group.iter().map(|it| {
            let (name, shape) = name(it);
            self.tensor(name, &shape, role)
        });
        let first = slots.next();
        let last = slots.last().or(first);
        // A group is never empty; an empty slot reads nothing.
        let nothing =
            Slot { store: Store::Frozen, span: crate::engine::cpu::table::Span::default() };
        first.zip(last).map_or(nothing, |(first, last)| first.through(last))
    }

    /// Appends the adapters of a group, in the names of PEFT.
    fn adapters(&mut self, input: usize, group: &[Named]) -> Vec<Adapter> {
        let (Tuning::Lora(lora), Stage::Block(layer)) = (self.tuning, self.stage) else {
            return Vec::new();
        };
        let rank = lora.rank as usize;
        let mut adapters = Vec::new();
        let mut column = 0;
        for Named { stem, rows, target } in group {
            if let Some(target) = target.filter(|target| lora.targets.contains(target)) {
                let mut tensor = |name: &str, shape: [usize; 2], role| {
                    let name = format!("base_model.model.{stem}.lora_{name}.weight");
                    let tensor = Tensor { name, shape: shape.to_vec(), role };
                    self.table.add(tensor, Store::Trained)
                };
                adapters.push(Adapter {
                    down: tensor("A", [rank, input], Role::AdapterDown),
                    up: tensor("B", [*rows, rank], Role::AdapterUp),
                    rank,
                    scale: lora.alpha / rank as f32,
                    dropout: lora.dropout,
                    place: (layer, site(target)),
                    columns: column..column + rows,
                });
            }
            column += rows;
        }
        adapters
    }
}

/// The masks of an adapter's input.
fn site(target: LoraTarget) -> Site {
    match target {
        LoraTarget::Query => Site::AdapterQuery,
        LoraTarget::Key => Site::AdapterKey,
        LoraTarget::Value => Site::AdapterValue,
        LoraTarget::Output => Site::AdapterOutput,
        LoraTarget::Gate => Site::AdapterGate,
        LoraTarget::Up => Site::AdapterUp,
        LoraTarget::Down => Site::AdapterDown,
    }
}
