//! The tensors of an adapter, put over those of its base model.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::MERGE;
use super::keys::Settings;
use super::{AdapterError, PutOver};
use crate::engine::EngineError;
use crate::engine::files::layout::{Kind, Layout, Part, TensorSpec};
use crate::engine::files::stored::{StoredTensors, Update, read_tensors};
use crate::engine::files::tensor_file::{Header, Tensor};

/// The prefix that PEFT puts before the names of the base model.
const PREFIX: &str = "base_model.model.";
const LANGUAGE_HEAD: &str = "lm_head.weight";
/// Parts of names of tensors that are only used in training.
const OF_TRAINING: [&str; 2] = [".lora_velora_embed", ".lora_monteclora_sampler."];
/// Parts of names of tensors that do not belong to `W + scale * B A`, with what they are.
const REFUSED: [(&str, &str); 5] = [
    (".lora_embedding_", "an update of a table of embeddings"),
    (".lora_magnitude_vector", "a length of DoRA"),
    (".lora_B.bias", "a bias of an update"),
    (".token_adapter.", "vectors of single tokens"),
    (".lora_diag", "a diagonal of KaSA"),
];

/// What a tensor is, with the name of its module or of what it replaces.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    /// `A` of an update.
    A(String),
    /// `B` of an update.
    B(String),
    /// A tensor in the place of the base model's.
    Whole(String),
    /// The same tensor under an older or a second name.
    Copy(String),
    /// The base matrix of an update, saved together with it.
    Under(String),
    /// Of no use here.
    Passed,
    /// Nothing that is merged here.
    Refused(&'static str),
}

impl Piece {
    fn of(raw: &str) -> Self {
        let name = raw.strip_prefix(PREFIX).unwrap_or(raw).replace(".default.", ".");
        if let Some((_, what)) = REFUSED.iter().find(|(mark, _)| name.contains(mark)) {
            return Self::Refused(what);
        }
        // The layer before it was trained whole; not used.
        if name.contains(".original_module.") || OF_TRAINING.iter().any(|it| name.contains(it)) {
            return Self::Passed;
        }
        if let Some(module) = name.strip_suffix(".lora_A.weight") {
            return Self::A(module.to_owned());
        }
        if let Some(module) = name.strip_suffix(".lora_B.weight") {
            return Self::B(module.to_owned());
        }
        if name.contains(".modules_to_save.") {
            return Self::Copy(name.replace(".modules_to_save.", "."));
        }
        if name.contains(".base_layer.") {
            return Self::Under(name.replace(".base_layer.", "."));
        }
        Self::Whole(name)
    }
}

/// The two matrices of an update, as far as they have been found.
#[derive(Default)]
struct Found {
    a: Option<Tensor>,
    b: Option<Tensor>,
}

/// The tensors of a file by what they are.
#[derive(Default)]
struct Sorted {
    /// By the base model's name.
    whole: BTreeMap<String, Tensor>,
    updates: BTreeMap<String, Found>,
    /// A saved output head where head and embedding table are one: it is that table.
    table: Option<Tensor>,
    problems: Vec<String>,
}

/// Rows of the table of embeddings in a file, if it has one.
pub(super) fn table_rows(path: &Path, layout: &Layout) -> Result<Option<usize>, EngineError> {
    let header = Header::open(path)?;
    let Some(words) = layout.weight(None, Part::Words) else { return Ok(None) };
    let is_table = |raw: &str| match Piece::of(raw) {
        Piece::Whole(name) | Piece::Copy(name) => layout.canonical(&name) == words.name,
        Piece::Under(name) => {
            layout.canonical(&name) == words.name || is_tied_output(&name, layout)
        }
        _ => false,
    };
    let tensors = header.metadata.tensors();
    let table = tensors.iter().find(|(raw, _)| is_table(raw));
    Ok(table.and_then(|(_, info)| match info.shape.as_slice() {
        &[rows, width] if width == words.shape[1] => Some(rows),
        _ => None,
    }))
}

/// Whether a name is that of an output which the base model has as its input table.
fn is_tied_output(name: &str, layout: &Layout) -> bool {
    name == LANGUAGE_HEAD && layout.get(name).is_none()
}

pub(super) fn put_over(
    path: &Path,
    settings: &Settings,
    weights: &mut StoredTensors,
    layout: &Layout,
) -> Result<PutOver, EngineError> {
    let mut sorted = sort(path, layout)?;
    let mut done = PutOver::default();
    let words =
        layout.weight(None, Part::Words).map(|words| words.name.clone()).unwrap_or_default();
    if let Some(table) = sorted.table.take() {
        sorted.whole.entry(words.clone()).or_insert(table);
    }
    let output = sorted.whole.get(LANGUAGE_HEAD).filter(|_| is_tied_output(LANGUAGE_HEAD, layout));
    let has_update =
        sorted.updates.contains_key("lm_head") && is_tied_output(LANGUAGE_HEAD, layout);
    done.has_foreign_language_head =
        has_update || output.is_some() && output != sorted.whole.get(&words);
    let gives_score = sorted.whole.keys().any(|name| is_part(layout, name, Part::Score));
    for (name, tensor) in std::mem::take(&mut sorted.whole) {
        match layout.get(&name) {
            Some(spec) if spec.shape == tensor.shape => weights.replace(&name, tensor),
            Some(spec) if spec.part == Part::Score && tensor.shape.get(1) == spec.shape.get(1) => {
                let (path, n_labels) = (path.to_owned(), tensor.shape[0]);
                return Err(EngineError::NotARewardHead { path, name, n_labels });
            }
            Some(spec) => sorted
                .problems
                .push(format!("`{name}` has shape {:?}, expected {:?}", tensor.shape, spec.shape)),
            None if layout.is_ignored(&name) => {}
            None => sorted.problems.push(format!("`{name}` is no part of the base model")),
        }
    }
    add_updates(settings, &mut sorted, weights, layout);
    if !sorted.problems.is_empty() {
        let (path, problems) = (path.to_owned(), sorted.problems);
        return Err(AdapterError::Tensors { path, problems, hint: TENSORS_HINT }.into());
    }
    // The embedding table has grown, so the old output head no longer fits.
    if layout.get(LANGUAGE_HEAD).is_some_and(|spec| weights.shape(&spec.name) != Some(&spec.shape))
    {
        weights.remove(LANGUAGE_HEAD);
    }
    let missing =
        layout.tensors().iter().find(|it| it.part.is_head() && !weights.contains(&it.name));
    match missing {
        Some(missing) if gives_score => {
            let (path, missing) = (path.to_owned(), missing.name.clone());
            Err(AdapterError::TornHead { path, missing }.into())
        }
        _ => Ok(done),
    }
}

const TENSORS_HINT: &str = "check that it was trained over this base model, or merge it with PEFT \
     (`merge_and_unload()`) and save the whole model";

fn is_part(layout: &Layout, name: &str, part: Part) -> bool {
    layout.get(name).is_some_and(|spec| spec.part == part)
}

fn sort(path: &Path, layout: &Layout) -> Result<Sorted, EngineError> {
    let mut sorted = Sorted::default();
    let mut copies = Vec::new();
    for (raw, tensor) in read_tensors(path)? {
        match Piece::of(&raw) {
            Piece::A(module) => sorted.updates.entry(module).or_default().a = Some(tensor),
            Piece::B(module) => sorted.updates.entry(module).or_default().b = Some(tensor),
            Piece::Whole(name) => {
                sorted.whole.insert(layout.canonical(&name), tensor);
            }
            Piece::Under(name) if is_tied_output(&name, layout) => sorted.table = Some(tensor),
            Piece::Copy(name) | Piece::Under(name) => {
                copies.push((layout.canonical(&name), tensor));
            }
            Piece::Passed => {}
            Piece::Refused(what) => {
                let (path, hint) = (path.to_owned(), MERGE);
                let problems = vec![format!("`{raw}` is {what}")];
                return Err(AdapterError::Tensors { path, problems, hint }.into());
            }
        }
    }
    for (name, tensor) in copies {
        sorted.whole.entry(name).or_insert(tensor);
    }
    Ok(sorted)
}

fn add_updates(
    settings: &Settings,
    sorted: &mut Sorted,
    weights: &mut StoredTensors,
    layout: &Layout,
) {
    let name_of = |module: &str| layout.canonical(&format!("{module}.weight"));
    if settings.starts_random {
        let matrices = layout.tensors().iter().filter(|it| it.kind == Kind::Matrix);
        for spec in matrices {
            let module = spec.name.trim_end_matches(".weight");
            if settings.targets.has(module)
                && !sorted.updates.keys().any(|it| name_of(it) == spec.name)
            {
                let problem =
                    format!("`{module}` has no update, for which PEFT takes random numbers");
                sorted.problems.push(problem);
            }
        }
    }
    for (module, found) in std::mem::take(&mut sorted.updates) {
        let name = name_of(&module);
        if layout.is_ignored(&name) {
            continue;
        }
        let target = layout.get(&name).filter(|_| weights.contains(&name));
        match update(settings, &module, &name, found, target) {
            Ok(update) => weights.add_update(&name, update),
            Err(problem) => sorted.problems.push(problem),
        }
    }
}

fn update(
    settings: &Settings,
    module: &str,
    name: &str,
    found: Found,
    target: Option<&TensorSpec>,
) -> Result<Update, String> {
    let target = target.ok_or_else(|| format!("the base model has no `{name}` to update"))?;
    let (Some(a), Some(b)) = (found.a, found.b) else {
        return Err(format!("one of the two matrices beside `{name}` is missing"));
    };
    let &[rows, columns] = target.shape.as_slice() else {
        return Err(format!("`{name}` is no matrix"));
    };
    let rank = settings.ranks.of(module);
    let n = rank as usize;
    if n == 0 || a.shape != [n, columns] || b.shape != [rows, n] {
        let (a, b) = (&a.shape, &b.shape);
        return Err(format!(
            "the matrices beside `{name}` have shapes {a:?} and {b:?}, which do not fit {rows} x \
             {columns} at rank {rank}"
        ));
    }
    if !settings.targets.has(module) {
        return Err(format!(
            "`{module}` has an update, but is not among `target_modules`, so that PEFT leaves it out"
        ));
    }
    let divisor = if settings.is_rank_stabilized { rank.sqrt() } else { rank };
    let scale = (settings.alphas.of(module) / divisor) as f32;
    Ok(Update { a: a.values, b: b.values, rows, scale })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_tensor_is() {
        let piece = |name: &str| Piece::of(&format!("base_model.model.{name}"));
        let q = "model.layers.0.self_attn.q_proj";
        assert_eq!(piece(&format!("{q}.lora_A.weight")), Piece::A(q.into()));
        assert_eq!(piece(&format!("{q}.lora_B.default.weight")), Piece::B(q.into()));
        assert_eq!(piece("score.weight"), Piece::Whole("score.weight".into()));
        assert_eq!(Piece::of("score.weight"), Piece::Whole("score.weight".into()));
        let copy = Piece::Copy("score.weight".into());
        assert_eq!(piece("score.modules_to_save.default.weight"), copy);
        assert_eq!(piece("score.modules_to_save.weight"), copy);
        assert_eq!(piece("score.original_module.weight"), Piece::Passed);
        assert_eq!(piece("lm_head.base_layer.weight"), Piece::Under("lm_head.weight".into()));
        for name in [
            "model.embed_tokens.lora_embedding_A",
            "model.layers.0.self_attn.q_proj.lora_magnitude_vector",
            "model.layers.0.self_attn.q_proj.lora_B.bias",
            "model.embed_tokens.token_adapter.trainable_tokens_delta",
        ] {
            assert!(matches!(piece(name), Piece::Refused(_)), "{name}");
        }
    }
}
