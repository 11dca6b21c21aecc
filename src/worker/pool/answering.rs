//! Opens the policy of a pool and has it answer prompts.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::data::Prompt;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::pool::Origin;
use crate::domain::pool::prompts::of_round;
use crate::domain::preference::{CandidatePair, PairId};
use crate::domain::random::{Place, Purpose};
use crate::domain::run::RunId;
use crate::domain::spec::ExperimentSpec;
use crate::domain::verdict::Verdict;
use crate::engine::export::MARKER;
use crate::engine::generation::GenerationSettings;
use crate::engine::generation::sampling::{Filters, Sampling};
use crate::engine::text_model::{Stops, TextModel, TextModelSettings};
use crate::engine::{Backbone, EngineError, Values};
use crate::scorer::{self, Scorer};
use crate::store::{Access, Home, Store};
use crate::worker::WorkerError;
use crate::worker::listening::Attentive;
use crate::worker::policy::prompt_text;
use crate::worker::reporter::Reporter;
use crate::worker::resources::Resources;
use crate::worker::state::RunState;

/// Letters of a digest that name a policy's weights.
const N_DIGEST: usize = 12;

/// A policy with its judge.
pub struct OpenPolicy {
    name: String,
    digest: String,
    model: TextModel,
    pub judge: Option<Scorer>,
}

impl OpenPolicy {
    /// Who wrote the answers that join the pool for a round.
    pub fn origin(&self, round: u32) -> Origin {
        Origin { policy: self.name.clone(), digest: self.digest.clone(), round }
    }
}

/// Opens the policy of a spec, and its judge.
///
/// # Errors
/// When the policy is no language model, or a file of either cannot be read.
pub fn open(home: &Home, spec: &ExperimentSpec) -> Result<OpenPolicy, WorkerError> {
    let backbone = Backbone::named(&spec.pool.policy);
    let name = name_of(home, &spec.pool.policy);
    let settings =
        TextModelSettings { device: spec.model.device, ..TextModelSettings::new(backbone) };
    let model = TextModel::open(&settings)?;
    let digest = match told_digest(home, Path::new(&spec.pool.policy)) {
        Some(digest) => digest,
        None => digest_of(&model)?,
    };
    let digest = digest.chars().take(N_DIGEST).collect();
    let judge = spec.pool_judge().map(|name| scorer::open(home, name, 0)).transpose()?;
    Ok(OpenPolicy { name, digest, model, judge })
}

/// The digest of the weights in a folder that says it: one of a run's own, whose name holds it, or an
/// export. Checkpoints and exports name the same weights alike.
fn told_digest(home: &Home, dir: &Path) -> Option<String> {
    let name = dir.file_name()?.to_str()?;
    let run = dir.parent()?.file_name()?.to_str()?;
    if home.run_dir(&RunId(run.to_owned())) == dir.parent()? {
        return name.strip_prefix("policy-").map(str::to_owned);
    }
    let text = std::fs::read_to_string(dir.join(MARKER)).ok()?;
    let told: serde_json::Value = serde_json::from_str(&text).ok()?;
    told["weights_digest"].as_str().map(str::to_owned)
}

/// A digest of weights that nobody has told one of.
fn digest_of(model: &TextModel) -> Result<String, EngineError> {
    let mut hash = Sha256::new();
    for tensor in model.model.tensors()? {
        hash.update(tensor.name);
        match &tensor.values {
            Values::F32(values) => values.iter().for_each(|it| hash.update(it.to_le_bytes())),
            Values::Bf16(values) => values.iter().for_each(|it| hash.update(it.to_le_bytes())),
        }
    }
    Ok(format!("{:x}", hash.finalize()))
}

/// What people call a policy: by its run, else by its folder.
fn name_of(home: &Home, policy: &str) -> String {
    let path = Path::new(policy);
    let of_run = path.parent().and_then(Path::file_name).and_then(|id| {
        let id = RunId(id.to_str()?.to_owned());
        let store = Store::open(home, Access::ReadOnly).ok()?;
        let is_its = home.run_dir(&id) == path.parent()?;
        Some(store.run(&id).ok().filter(|_| is_its)?.row.name.clone())
    });
    let last = || path.file_name().map(|name| name.to_string_lossy().into_owned());
    of_run.or_else(last).unwrap_or_else(|| policy.to_owned())
}

/// A prompt with its answers.
pub struct AnsweredPrompt {
    /// The pair whose prompt it is.
    pub pair: CandidatePair,
    pub answers: Vec<String>,
}

/// What the policy said.
pub struct Answered {
    pub prompts: Vec<AnsweredPrompt>,
    /// Prompts that leave no room for an answer.
    pub n_too_long: u64,
    pub n_tokens: u64,
}

/// Answers the prompts of a round; `None` when a person asked to stop.
pub fn answer_prompts(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    policy: &mut OpenPolicy,
    round: u32,
) -> Result<Option<Answered>, WorkerError> {
    let pool = state.spec.pool.clone();
    let settings = settings(&state.spec, policy, round);
    let asked = chosen(state, resources, reporter, round)?;
    let mut n_too_long = 0;
    let (mut pairs, mut prompts, mut tokens) = (Vec::new(), Vec::new(), Vec::new());
    for pair in asked {
        let prompt =
            Prompt::of_pair(&pair.form, &pair.prompt, &pair.response_a).map_err(|source| {
                WorkerError::Prompt { pair: pair.id.0, reason: source.to_string() }
            })?;
        let encoded = policy.model.texts.encode(prompt_text(&prompt))?;
        if encoded.len() + pool.max_new_tokens as usize > policy.model.texts.max_tokens() {
            n_too_long += 1;
            continue;
        }
        pairs.push(pair);
        prompts.push(prompt);
        tokens.push(encoded);
    }
    let n_total = (pairs.len() * settings.n_answers) as u64;
    // It ends the round before, as the fold models do.
    let key = PhaseKey::new(round - 1, Phase::Answer);
    let begun = reporter.begin(key, 0, [0, n_total])?;
    let slices: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let mut listener = Attentive::new(&mut state.saved, reporter, begun, 0);
    let generated = policy.model.model.generate(&slices, &settings, &mut listener);
    let Some((answers, n_tokens)) = listener.finish(generated)? else { return Ok(None) };
    let n_tokens = n_tokens + tokens.iter().map(|it| it.len() as u64).sum::<u64>();
    state.saved.n_round_tokens += n_tokens;
    let mut found: Vec<AnsweredPrompt> =
        pairs.into_iter().map(|pair| AnsweredPrompt { pair, answers: Vec::new() }).collect();
    let texts = &policy.model.texts;
    for answer in answers {
        let place = answer.place.prompt;
        let text = texts.answer(&answer, &Stops::default())?;
        found[place].answers.push(texts.said(text, prompts[place].continues));
    }
    Ok(Some(Answered { prompts: found, n_too_long, n_tokens }))
}

/// The pairs whose prompts are asked for a round; those that people vetoed are passed over.
fn chosen(
    state: &RunState,
    resources: &mut Resources<'_>,
    reporter: &Reporter<'_>,
    round: u32,
) -> Result<Vec<CandidatePair>, WorkerError> {
    let askable = resources.inputs.prompts().askable();
    let per_round = state.spec.pool.prompts as usize;
    let places = of_round(state.spec.rng_seed, askable.len(), per_round, round);
    let is_vetoed = |pair: &PairId| state.saved.verdicts.get(*pair) == Some(Verdict::Veto);
    let ids: Vec<PairId> =
        places.into_iter().map(|place| askable[place]).filter(|pair| !is_vetoed(pair)).collect();
    Ok(reporter.record.pool_pairs(&ids)?)
}

/// How prompts are answered. The draws are others than those of any policy run with the same random seed.
fn settings(spec: &ExperimentSpec, policy: &OpenPolicy, round: u32) -> GenerationSettings {
    let pool = &spec.pool;
    let draws = Place::new(spec.rng_seed, Purpose::PoolPrompts).bits(0);
    let filters = Filters { temperature: pool.temperature, ..Filters::default() };
    GenerationSettings {
        sampling: Sampling::Drawn(filters),
        n_answers: pool.answers as usize,
        ends: policy.model.defaults.ends.clone(),
        first_prompt: (round - 1).wrapping_mul(pool.prompts),
        ..GenerationSettings::new(
            pool.max_new_tokens as usize,
            policy.model.texts.max_tokens(),
            draws,
        )
    }
}
