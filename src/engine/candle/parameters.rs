//! The tensors of a model on a device: trained ones as variables with moments beside them, frozen
//! ones as they are.

use std::collections::{BTreeMap, HashMap};

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use half::bf16;
use sha2::{Digest, Sha256};

use super::dropout::Site;
use super::linear::{Adapter, Linear};
use crate::domain::random::{Place, Purpose};
use crate::domain::spec::{LoraSpec, LoraTarget, Precision, Tuning};
use crate::engine::files::layout::{Kind, Layout, Part, TensorSpec, adapter_names};
use crate::engine::files::manifest::hex;
use crate::engine::files::weights::StoredTensors;
use crate::engine::{EngineError, ModelTensor, Values};

/// A tensor that the optimizer moves.
#[derive(Debug)]
pub struct Trained {
    /// Its name in checkpoints: canonical, or PEFT's for a low-rank update.
    pub name: String,
    /// Whether weight decay applies.
    pub decays: bool,
    pub values: Var,
    /// First and second moments of AdamW; none before the first step.
    pub moments: Option<[Tensor; 2]>,
}

/// Gradients of the trained tensors, in their order; a missing one is zero.
pub type Gradients = Vec<Option<Tensor>>;

/// Everything a model reads.
#[derive(Debug)]
pub struct Parameters {
    /// Trained tensors, in the order of the layout.
    pub trained: Vec<Trained>,
    frozen: BTreeMap<String, Tensor>,
    places: HashMap<String, usize>,
    /// Optimizer steps since the moments were last cleared.
    pub n_steps: u64,
    base_digest: String,
}

/// The source of initial values, and the device and format they are kept in.
pub struct Origin<'a> {
    pub source: &'a StoredTensors,
    /// For what they lack.
    pub rng_seed: u64,
    /// Which tensors are trained.
    pub tuning: &'a Tuning,
    /// How frozen matrices and tables are kept.
    pub frozen: Precision,
    /// Where the tensors live.
    pub device: &'a Device,
    /// Blocks of the model.
    pub n_layers: usize,
}

/// Numbers of low-rank values start here, so that adding an adapter does not change the initial
/// values of other tensors.
const FIRST_ADAPTER_NUMBER: u64 = 1 << 48;

impl Parameters {
    /// Reads each tensor that the files have, and initializes the others from the random seed; the
    /// output head of a language model is left out.
    ///
    /// # Errors
    /// When a file cannot be read, or the device refuses.
    pub fn new(layout: &Layout, origin: &Origin<'_>) -> Result<Self, EngineError> {
        let is_wanted = |spec: &&TensorSpec| spec.part != Part::LanguageHead;
        Self::of(layout.tensors().iter().filter(is_wanted), origin)
    }

    /// As [`Parameters::new`], with the output head of a language model.
    ///
    /// # Errors
    /// As [`Parameters::new`].
    pub fn of_language_model(layout: &Layout, origin: &Origin<'_>) -> Result<Self, EngineError> {
        Self::of(layout.tensors().iter(), origin)
    }

    fn of<'a>(
        wanted: impl Iterator<Item = &'a TensorSpec>,
        origin: &Origin<'_>,
    ) -> Result<Self, EngineError> {
        let mut parameters = Self {
            trained: Vec::new(),
            frozen: BTreeMap::new(),
            places: HashMap::new(),
            n_steps: 0,
            base_digest: String::new(),
        };
        // Numbers of the first values of base tensors and of low-rank updates.
        let mut numbers = (0, FIRST_ADAPTER_NUMBER);
        for spec in wanted {
            parameters.add(spec, origin, numbers.0)?;
            numbers.0 += spec.shape.iter().product::<usize>() as u64;
            if let Some((_, lora)) = update(spec, origin.tuning) {
                let [output, input] = [spec.shape[0], spec.shape[1]];
                let rank = lora.rank as usize;
                let [a, b] = adapter_names(&spec.name);
                let place = Place::new(origin.rng_seed, Purpose::Initialization);
                let bound = 1.0 / (input as f64).sqrt();
                let draw = |i| (bound * (2.0 * place.unit(numbers.1 + i) - 1.0)) as f32;
                let values = (0..(rank * input) as u64).map(draw).collect();
                parameters.train(a, true, values, &[rank, input], origin.device)?;
                let zeros = vec![0.0; output * rank];
                parameters.train(b, true, zeros, &[output, rank], origin.device)?;
                numbers.1 += (rank * (input + output)) as u64;
            }
        }
        if !parameters.frozen.is_empty() {
            parameters.base_digest = digest(parameters.frozen.iter())?;
        }
        Ok(parameters)
    }

    fn add(
        &mut self,
        spec: &TensorSpec,
        origin: &Origin<'_>,
        number: u64,
    ) -> Result<(), EngineError> {
        let n_values = spec.shape.iter().product();
        let is_trained = is_trained(spec, origin.tuning, origin.n_layers);
        let is_half = matches!(spec.kind, Kind::Matrix | Kind::Embedding)
            && origin.frozen == Precision::Bf16
            && !is_trained;
        let is_there = origin.source.contains(&spec.name);
        if is_half && is_there {
            let mut values = vec![bf16::ZERO; n_values];
            origin.source.read_bf16(&spec.name, &mut values)?;
            let tensor = Tensor::from_vec(values, spec.shape.as_slice(), origin.device)?;
            self.frozen.insert(spec.name.clone(), tensor);
            return Ok(());
        }
        let mut values = vec![0.0; n_values];
        if is_there {
            origin.source.read(&spec.name, &mut values)?;
        } else {
            initialize(&mut values, spec.kind, number, origin.rng_seed);
        }
        if is_trained {
            let decays = spec.kind == Kind::Matrix;
            self.train(spec.name.clone(), decays, values, &spec.shape, origin.device)
        } else {
            let tensor = Tensor::from_vec(values, spec.shape.as_slice(), origin.device)?;
            self.frozen.insert(spec.name.clone(), tensor);
            Ok(())
        }
    }

    fn train(
        &mut self,
        name: String,
        decays: bool,
        values: Vec<f32>,
        shape: &[usize],
        device: &Device,
    ) -> Result<(), EngineError> {
        let values = Var::from_tensor(&Tensor::from_vec(values, shape, device)?)?;
        self.places.insert(name.clone(), self.trained.len());
        self.trained.push(Trained { name, decays, values, moments: None });
        Ok(())
    }

    /// The place among the trained tensors.
    #[must_use]
    pub fn trained_place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// A tensor by name. Later updates of a trained one show in it.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn tensor(&self, name: &str) -> Result<Tensor, EngineError> {
        let trained = self.trained_place(name).map(|i| self.trained[i].values.as_tensor().clone());
        let missing = || EngineError::Candle { detail: format!("`{name}` is missing") };
        trained.or_else(|| self.frozen.get(name).cloned()).ok_or_else(missing)
    }

    /// The weight of a part.
    ///
    /// # Errors
    /// When the family has no such part.
    pub fn weight(
        &self,
        layout: &Layout,
        layer: Option<usize>,
        part: Part,
    ) -> Result<Tensor, EngineError> {
        let missing = || EngineError::Candle { detail: format!("{part:?} is missing") };
        self.tensor(&layout.weight(layer, part).ok_or_else(missing)?.name)
    }

    /// The bias of a part, if it has one.
    ///
    /// # Errors
    /// When the tensor is not there.
    pub fn bias(
        &self,
        layout: &Layout,
        layer: Option<usize>,
        part: Part,
    ) -> Result<Option<Tensor>, EngineError> {
        layout.bias(layer, part).map(|spec| self.tensor(&spec.name)).transpose()
    }

    /// The linear layer of a part, with its low-rank update.
    ///
    /// # Errors
    /// When the family has no such part.
    pub fn linear(
        &self,
        layout: &Layout,
        layer: Option<usize>,
        part: Part,
        tuning: &Tuning,
    ) -> Result<Linear, EngineError> {
        let missing = || EngineError::Candle { detail: format!("{part:?} is missing") };
        let spec = layout.weight(layer, part).ok_or_else(missing)?;
        let adapter = match update(spec, tuning) {
            None => None,
            Some((target, lora)) => {
                let [a, b] = adapter_names(&spec.name);
                Some(Adapter {
                    down: self.tensor(&a)?,
                    up: self.tensor(&b)?,
                    scale: f64::from(lora.alpha / lora.rank as f32),
                    dropout: lora.dropout,
                    place: (layer.unwrap_or_default(), Site::of_target(target)),
                })
            }
        };
        Ok(Linear {
            weight: self.tensor(&spec.name)?,
            bias: self.bias(layout, layer, part)?,
            is_trained: self.trained_place(&spec.name).is_some(),
            adapter,
        })
    }

    /// Trained values, all together.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.trained.iter().map(|trained| trained.values.elem_count()).sum()
    }

    /// Digest of the frozen tensors in the precision they are kept in; empty when all are trained.
    #[must_use]
    pub fn base_digest(&self) -> &str {
        &self.base_digest
    }

    /// SHA-256 in hex over the trained tensors, by name, and the digest of the frozen ones.
    ///
    /// # Errors
    /// When the device does not give its values.
    pub fn digest(&self) -> Result<String, EngineError> {
        let trained: BTreeMap<_, _> =
            self.trained.iter().map(|it| (&it.name, it.values.as_tensor())).collect();
        let mut hash = Sha256::new();
        feed(&mut hash, trained.into_iter())?;
        hash.update(self.base_digest.as_bytes());
        Ok(hex(&hash.finalize()))
    }

    /// Adds what a backward pass found to the gradients of a step.
    pub fn add_gradients(
        &self,
        found: &GradStore,
        gradients: &mut Gradients,
    ) -> candle_core::Result<()> {
        for (trained, total) in self.trained.iter().zip(gradients) {
            let Some(gradient) = found.get(&trained.values) else { continue };
            let gradient = gradient.detach();
            *total = Some(match total.take() {
                Some(total) => (total + gradient)?,
                None => gradient,
            });
        }
        Ok(())
    }

    /// Every tensor, copied from the device.
    ///
    /// # Errors
    /// When the device does not give its values.
    pub fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        let trained = self.trained.iter().map(|it| (it.name.as_str(), it.values.as_tensor(), true));
        let frozen = self.frozen.iter().map(|(name, tensor)| (name.as_str(), tensor, false));
        let mut copies = Vec::with_capacity(self.trained.len() + self.frozen.len());
        for (name, tensor, is_trained) in trained.chain(frozen) {
            let flat = tensor.flatten_all()?;
            let values = if tensor.dtype() == DType::BF16 {
                Values::Bf16(flat.to_vec1::<bf16>()?.into())
            } else {
                Values::F32(flat.to_vec1::<f32>()?.into())
            };
            copies.push(ModelTensor { name, shape: tensor.dims(), is_trained, values });
        }
        Ok(copies)
    }

    /// Clears moments and step count.
    pub fn reset_optimizer(&mut self) {
        for trained in &mut self.trained {
            trained.moments = None;
        }
        self.n_steps = 0;
    }
}

/// Whether a tensor of the model itself is trained.
fn is_trained(spec: &TensorSpec, tuning: &Tuning, n_layers: usize) -> bool {
    spec.part.is_head()
        || match tuning {
            Tuning::Full => true,
            Tuning::TopLayers(n) => {
                spec.part == Part::FinalNorm
                    || spec.layer.is_some_and(|layer| layer + n >= n_layers)
            }
            Tuning::Lora(_) | Tuning::Head => false,
        }
}

/// The low-rank update beside a matrix.
fn update<'a>(spec: &TensorSpec, tuning: &'a Tuning) -> Option<(LoraTarget, &'a LoraSpec)> {
    let Tuning::Lora(lora) = tuning else { return None };
    let target = lora.targets.iter().find(|target| Part::of_target(**target) == spec.part)?;
    (spec.kind == Kind::Matrix).then_some((*target, lora))
}

/// Fills a tensor that the checkpoint lacks with its initial values.
fn initialize(values: &mut [f32], kind: Kind, number: u64, rng_seed: u64) {
    /// Standard deviation of new matrices, `initializer_range` of transformers; it must equal that
    /// of `cpu`, or the two start from other weights.
    const DEVIATION: f64 = 0.02;
    let place = Place::new(rng_seed, Purpose::Initialization);
    match kind {
        Kind::Scale => values.fill(1.0),
        Kind::Bias => values.fill(0.0),
        Kind::Matrix | Kind::Embedding => {
            for (i, value) in values.iter_mut().enumerate() {
                *value = (DEVIATION * place.normal(number + i as u64)) as f32;
            }
        }
    }
}

fn digest<'a>(
    tensors: impl Iterator<Item = (&'a String, &'a Tensor)>,
) -> Result<String, EngineError> {
    let mut hash = Sha256::new();
    feed(&mut hash, tensors)?;
    Ok(hex(&hash.finalize()))
}

/// Adds names and little-endian values to a hash.
fn feed<'a>(
    hash: &mut Sha256,
    tensors: impl Iterator<Item = (&'a String, &'a Tensor)>,
) -> Result<(), EngineError> {
    for (name, tensor) in tensors {
        hash.update(name.as_bytes());
        let flat = tensor.flatten_all()?;
        if tensor.dtype() == DType::BF16 {
            for chunk in flat.to_vec1::<bf16>()?.chunks(1 << 14) {
                let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
                hash.update(bytes);
            }
        } else {
            for chunk in flat.to_vec1::<f32>()?.chunks(1 << 14) {
                let bytes: Vec<u8> = chunk.iter().flat_map(|value| value.to_le_bytes()).collect();
                hash.update(bytes);
            }
        }
    }
    Ok(())
}
