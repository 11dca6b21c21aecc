//! `--format hf` and `--format peft` of a policy run: the language model as its last step left it.

use serde_json::json;

use super::super::{CliError, CliResult, Context};
use super::{Target, say_done, target};
use crate::domain::text::words;
use crate::engine::OpenSettings;
use crate::engine::export::{ExportedPolicy, PolicyForm, export_policy};
use crate::launch;
use crate::store::Store;
use crate::store::rows::RunRow;

/// Writes the policy, or its adapter.
///
/// # Errors
/// When the run has no weights yet, the base model is not there any more, or a file cannot be written.
pub fn export(
    context: &Context,
    store: &Store,
    run: &RunRow,
    target: &Target,
    is_adapter: bool,
) -> CliResult {
    let Some((checkpoint, digest)) = launch::newest_checkpoint(&context.home, &run.id)? else {
        return Err(CliError::input(format!("`{}` has no weights yet", run.name))
            .with_hint(format!("`ser attach {}` shows how far it is", run.id)));
    };
    let spec = store.spec(&run.id)?;
    let settings = OpenSettings::of_spec(&spec);
    let step = store.policy_outcome(&run.id)?.restored_to.unwrap_or(run.round);
    let exported = target.directory(|dir| {
        let form = if is_adapter {
            PolicyForm::Adapter { place: target.place() }
        } else {
            PolicyForm::Model
        };
        let exported = export_policy(&settings, &checkpoint, dir, form)?;
        let marker = json!({
            "schema": 1, "kind": "policy", "run": run.id.as_str(), "name": run.name, "step": step,
            "weights_digest": digest, "backbone": spec.model.backbone, "spec": spec.policy,
        });
        let page = page(run, step, &exported, is_adapter);
        for (name, text) in
            [(target::MARKER, serde_json::to_string_pretty(&marker)? + "\n"), ("README.md", page)]
        {
            let path = dir.join(name);
            std::fs::write(&path, text).map_err(|error| CliError::io("write", &path, &error))?;
        }
        Ok(exported)
    })?;
    let what = if is_adapter { "adapter" } else { exported.class };
    let n = words::count(exported.n_parameters);
    say_done(context, target, &format!("step {step} of `{}`: {what}, {n} parameters", run.name));
    Ok(())
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
