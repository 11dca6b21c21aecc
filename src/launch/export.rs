//! A policy as files for other programs: a directory that transformers or PEFT loads.

use std::path::Path;

use serde_json::json;

use super::policy::newest_checkpoint;
use super::{LaunchError, LaunchResult};
use crate::engine::OpenSettings;
use crate::engine::export::MARKER;
use crate::engine::export::{ExportedPolicy, PolicyForm, export_policy};
use crate::store::Store;
use crate::store::rows::RunRow;

/// A policy that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPolicy {
    /// Steps behind its weights.
    pub step: u32,
    /// The class that loads it, or `adapter`.
    pub what: &'static str,
    pub n_parameters: u64,
}

/// Writes the policy of a run, or its adapter, into the empty directory `dir`, which will lie at `place`.
///
/// # Errors
/// When the run has no weights yet, the base model is not there any more, or a file cannot be written.
pub fn policy(
    store: &Store,
    run: &RunRow,
    [dir, place]: [&Path; 2],
    is_adapter: bool,
) -> LaunchResult<WrittenPolicy> {
    let Some((checkpoint, digest)) = newest_checkpoint(store.home(), &run.id)? else {
        return Err(LaunchError::NoWeights { name: run.name.clone(), id: run.id.to_string() });
    };
    let spec = store.spec(&run.id)?;
    let settings = OpenSettings::of_spec(&spec);
    let step = store.policy_outcome(&run.id)?.restored_to.unwrap_or(run.round);
    let form = if is_adapter { PolicyForm::Adapter { place } } else { PolicyForm::Model };
    let exported = export_policy(&settings, &checkpoint, dir, form)?;
    let marker = json!({
        "schema": 1, "kind": "policy", "run": run.id.as_str(), "name": run.name, "step": step,
        "weights_digest": digest, "backbone": spec.model.backbone, "spec": spec.policy,
    });
    let page = page(run, step, &exported, is_adapter);
    for (name, text) in [(MARKER, format!("{marker:#}\n")), ("README.md", page)] {
        let path = dir.join(name);
        std::fs::write(&path, text).map_err(|source| LaunchError::Write { path, source })?;
    }
    let what = if is_adapter { "adapter" } else { exported.class };
    Ok(WrittenPolicy { step, what, n_parameters: exported.n_parameters })
}

/// The page beside the files.
fn page(run: &RunRow, step: u32, exported: &ExportedPolicy, is_adapter: bool) -> String {
    let ends: Vec<String> = exported.ends.iter().map(|it| format!("`{it}`")).collect();
    let load = if is_adapter {
        "from peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer\n\nmodel = \
         AutoPeftModelForCausalLM.from_pretrained(\".\")\n"
    } else {
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\nmodel = \
         AutoModelForCausalLM.from_pretrained(\".\")\n"
    };
    format!(
        "# {}\n\nA language model that `ser` trained to please a reward model, after step {step}. An answer \
         ends with {}. The value head of its training is not part of it.\n\n```python\n{load}tokenizer = \
         AutoTokenizer.from_pretrained(\".\")\n```\n",
        run.name,
        if ends.is_empty() { "no token of its own".to_owned() } else { ends.join(" or ") },
    )
}
