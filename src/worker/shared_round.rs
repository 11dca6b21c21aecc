//! Round 0 is trained once for all runs of an experiment that would train the very same one.
//!
//! Arms differ in what they do after the seed round. With the same pairs, labels, model, settings
//! and `rng_seed` their first rounds are equal bit for bit. The first run that finishes its round 0
//! leaves weights and scores in the home, under a digest of everything they depend on; the next run
//! with the same digest takes them instead of training. If such a file is damaged, incomplete or
//! deleted meanwhile, the run trains the round itself.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::event::RunEvent;
use crate::domain::metrics::Split;
use crate::domain::preference::{PairId, Side};
use crate::domain::run::RunId;
use crate::domain::spec::{ExperimentSpec, PoolLabels};
use crate::engine::files::checkpoint;
use crate::engine::{EncodedPair, EngineError};

use super::WorkerError;
use super::inputs::Inputs;
use super::reporter::Reporter;
use super::resources::Resources;
use super::state::{Round0Draft, RunState};

/// The format's version, a part of the digest: raised when the same digest would no longer promise
/// the same round.
const FORMAT: u32 = 1;
/// Name of the checkpoint below the folder of a digest.
const NAME: &str = "round-0";
/// Most rounds kept in the home, the newest; it bounds the disk that they take.
const N_KEPT: usize = 8;
/// Validation pairs that the untrained model scores for the digest.
const N_PROBES: usize = 8;
/// The keys of a spec that round 0 does not depend on. Every other key, even one added later, is
/// part of the digest.
const WITHOUT_EFFECT: [&str; 12] = [
    "/arm",
    "/pool",
    "/selection",
    "/rounds",
    "/review",
    "/model/backbone",
    "/model/trunk_cache",
    "/data/source",
    "/data/test",
    "/train/checkpoint_steps",
    "/train/match_steps",
    "/train/pseudo_targets",
];

/// What lies beside the weights.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SharedRound {
    run: RunId,
    n_train_pairs: u64,
    n_steps: u64,
    n_train_tokens: u64,
    wall_ms: u64,
    steps: Vec<RunEvent>,
    /// By split, the bits of both rewards of each pair: a printed number may lose its last bit.
    rewards: BTreeMap<String, Vec<[u32; 2]>>,
}

/// Takes round 0 from another run, if one has trained the same. Otherwise notes its digest, so that
/// this run can offer the round once it is trained.
///
/// # Errors
/// When the model cannot be scored, or the events not be stored.
pub fn take(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &Reporter<'_>,
    n_steps: u64,
) -> Result<bool, WorkerError> {
    if !state.is_in_experiment || !state.spec.rounds.reuse_round_0 {
        return Ok(false);
    }
    let digest = digest(&state.spec, resources, n_steps)?;
    let dir = resources.home.shared_rounds().join(&digest).join(NAME);
    if dir.is_dir() {
        match read(resources, &dir) {
            Ok(shared) => {
                apply(state, resources, reporter, shared, digest)?;
                return Ok(true);
            }
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "round 0 is trained again");
                // Loading may have changed some weights before it found the damage.
                resources.model.restart()?;
            }
        }
    }
    state.saved.round_0 = Some(Round0Draft { digest, n_train_tokens: 0 });
    Ok(false)
}

fn read(resources: &mut Resources<'_>, dir: &Path) -> Result<SharedRound, EngineError> {
    let json = checkpoint::read_checkpoint(dir, resources.model.as_mut())?;
    serde_json::from_str(&json).map_err(|error| EngineError::json(dir, &error))
}

/// Reports the round as the run that trained it did.
fn apply(
    state: &mut RunState,
    resources: &Resources<'_>,
    reporter: &Reporter<'_>,
    shared: SharedRound,
    digest: String,
) -> Result<(), WorkerError> {
    let SharedRound { run, n_train_pairs, n_steps, n_train_tokens, wall_ms, steps, rewards } =
        shared;
    reporter.send(RunEvent::RoundReused { round: 0, run, digest, wall_ms })?;
    for step in steps {
        reporter.send(step)?;
    }
    reporter.send(RunEvent::RoundTrained {
        round: 0,
        n_train_pairs,
        n_steps,
        n_tokens: n_train_tokens,
        elapsed_ms: 0,
        weights_digest: resources.model.weights_digest(),
        n_human_labels: state.n_human_labels(resources.inputs.pool_labels.len()),
    })?;
    let saved = &mut state.saved;
    saved.global_step += n_steps;
    saved.n_round_tokens += n_train_tokens;
    saved.round_wall_ms += wall_ms;
    let bits = |pairs: &[[u32; 2]]| pairs.iter().map(|pair| pair.map(f32::from_bits)).collect();
    for split in [Split::Validation, Split::Test] {
        if let Some(pairs) = rewards.get(split.name()) {
            state.shared_scores.known.insert(split.name(), bits(pairs));
        }
    }
    Ok(())
}

/// Leaves a finished round 0 for other runs. If it cannot be written, the run goes on all the same.
///
/// # Errors
/// When the record cannot be read.
pub fn offer(
    state: &mut RunState,
    resources: &Resources<'_>,
    reporter: &Reporter<'_>,
    wall_ms: u64,
) -> Result<(), WorkerError> {
    let Some(draft) = state.saved.round_0.take() else { return Ok(()) };
    let scores = &state.shared_scores.fresh;
    let parent = resources.home.shared_rounds().join(&draft.digest);
    // A run that was resumed in the middle of the evaluations has only some of the scores.
    let is_whole = [Split::Validation, Split::Test].iter().all(|s| scores.contains_key(s.name()));
    if !is_whole || parent.join(NAME).exists() {
        return Ok(());
    }
    let bits = |(name, pairs): (&&'static str, &Vec<[f32; 2]>)| {
        ((*name).to_owned(), pairs.iter().map(|pair| pair.map(f32::to_bits)).collect())
    };
    let rewards = scores.iter().map(bits).collect();
    reporter.flush()?;
    let Some(round) = reporter.record.rounds()?.into_iter().next() else { return Ok(()) };
    let shared = SharedRound {
        run: state.run.clone(),
        n_train_pairs: round.n_train_pairs.unwrap_or(0),
        n_steps: round.n_steps.unwrap_or(0),
        n_train_tokens: draft.n_train_tokens,
        wall_ms,
        steps: reporter.record.steps_of_round_0()?,
        rewards,
    };
    let json = serde_json::to_string(&shared)
        .map_err(|source| WorkerError::State { name: NAME.to_owned(), source })?;
    match checkpoint::write_checkpoint(&parent, NAME, resources.model.as_ref(), &json) {
        Ok(_) => prune(&resources.home.shared_rounds(), N_KEPT),
        Err(error) => tracing::warn!(%error, "round 0 is not left for other runs"),
    }
    Ok(())
}

/// Deletes all but the newest rounds. A run that is reading a deleted one trains the round itself.
fn prune(parent: &Path, n_kept: usize) {
    let Ok(entries) = std::fs::read_dir(parent) else { return };
    let age = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    let mut rounds: Vec<(Option<SystemTime>, std::path::PathBuf)> =
        entries.flatten().map(|entry| (age(&entry.path()), entry.path())).collect();
    rounds.sort();
    let n_old = rounds.len().saturating_sub(n_kept);
    for (_, path) in rounds.into_iter().take(n_old) {
        if let Err(error) = std::fs::remove_dir_all(&path) {
            tracing::warn!(path = %path.display(), %error, "an old round stays");
        }
    }
}

/// SHA-256 over everything round 0 depends on: the program, the settings with an effect, the
/// weights it starts from, the tokens of every labeled pair in order, and the rewards of a few
/// pairs under these weights (so that other kernels, or a model's files read in another way, give
/// another digest).
fn digest(
    spec: &ExperimentSpec,
    resources: &mut Resources<'_>,
    n_steps: u64,
) -> Result<String, WorkerError> {
    let has_pool = spec.rounds.pool_labels == PoolLabels::Human;
    let mut spec = serde_json::to_value(spec)
        .map_err(|source| WorkerError::State { name: NAME.to_owned(), source })?;
    for pointer in WITHOUT_EFFECT {
        if let Some(value) = spec.pointer_mut(pointer) {
            value.take();
        }
    }
    let Resources { model, inputs, .. } = resources;
    let info = model.info();
    let mut hasher = Sha256::new();
    let head = format!("{FORMAT} {} {n_steps} {info:?} {spec}", env!("CARGO_PKG_VERSION"));
    hasher.update(head);
    hasher.update(model.weights_digest());
    let probes = inputs.split.validation.iter().take(N_PROBES).map(|id| inputs.pair(*id));
    for [a, b] in model.score(&probes.collect::<Vec<_>>())? {
        hasher.update(a.to_le_bytes());
        hasher.update(b.to_le_bytes());
    }
    hash_inputs(&mut hasher, inputs, has_pool);
    Ok(format!("{:x}", hasher.finalize()))
}

fn hash_inputs(hasher: &mut Sha256, inputs: &Inputs, has_pool: bool) {
    let pool = if has_pool { inputs.pool_labels.as_slice() } else { &[] };
    for labels in [&inputs.seed_labels, pool] {
        hasher.update((labels.len() as u64).to_le_bytes());
        for label in labels {
            hash_pair(hasher, label.pair, inputs.pair(label.pair));
            hasher.update([u8::from(label.preferred == Side::A)]);
        }
    }
    hasher.update((inputs.split.validation.len() as u64).to_le_bytes());
    for id in &inputs.split.validation {
        hash_pair(hasher, *id, inputs.pair(*id));
    }
    for id in &inputs.test {
        hash_pair(hasher, *id, inputs.test_pair(*id));
    }
}

fn hash_pair(hasher: &mut Sha256, id: PairId, pair: &EncodedPair) {
    let [start_a, start_b] = pair.answer_start;
    hasher.update(id.0.to_le_bytes());
    for n in [pair.tokens_a.len(), pair.tokens_b.len(), start_a, start_b] {
        hasher.update((n as u64).to_le_bytes());
    }
    for token in pair.tokens_a.iter().chain(&pair.tokens_b) {
        hasher.update(token.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::phase::{Phase, PhaseKey};
    use crate::worker::pass::{Pass, SharedScores};
    use crate::worker::testing::{Bench, names, spec};

    #[test]
    fn only_the_newest_rounds_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for (age, name) in ["d", "b", "c", "a"].iter().enumerate() {
            let dir = folder.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            std::fs::write(dir.join("weights"), "w").unwrap();
            let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 - age as u64);
            std::fs::File::open(&dir).unwrap().set_modified(at).unwrap();
        }
        prune(folder.path(), 2);
        let mut left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["b", "d"]);
        prune(&folder.path().join("nowhere"), 2);
    }

    /// A bench of a run in an experiment, beside the same home.
    fn beside(home: &Bench, change: impl Fn(&mut ExperimentSpec)) -> Bench {
        let mut bench = Bench::in_home(home.folder.clone(), spec(change));
        bench.state.is_in_experiment = true;
        bench
    }

    fn digest_of(bench: &mut Bench, n_steps: u64) -> String {
        digest(&bench.state.spec, &mut bench.resources, n_steps).unwrap()
    }

    #[test]
    fn a_digest_depends_on_what_round_0_depends_on() {
        type Change = fn(&mut ExperimentSpec);
        let mut first = Bench::new(spec(|_| ()));
        let expected = digest_of(&mut first, 10);
        assert_ne!(digest_of(&mut first, 11), expected, "steps");
        let cases: [(&str, Change, bool); 6] = [
            ("another rule", |spec| spec.selection.top_share = 0.25, true),
            ("another name", |spec| spec.arm = "other".into(), true),
            ("more rounds", |spec| spec.rounds.max = 9, true),
            ("another rate", |spec| spec.train.learning_rate = 1e-5, false),
            ("another seed", |spec| spec.rng_seed = 8, false),
            ("the pool's labels", |spec| spec.rounds.pool_labels = PoolLabels::Human, false),
        ];
        for (what, change, is_same) in cases {
            let digest = digest_of(&mut beside(&first, change), 10);
            assert_eq!(digest == expected, is_same, "{what}");
        }
    }

    #[test]
    fn a_round_that_one_run_left_is_taken_by_the_next() {
        let mut giver = Bench::new(spec(|_| ()));
        giver.state.is_in_experiment = true;
        giver.play_round_0();
        let (n_steps, given) = (giver.n_steps(), giver.resources.model.weights_digest());
        let mut taker = beside(&giver, |spec| spec.selection.top_share = 0.25);
        let Bench { state, resources, reporter, .. } = &mut taker;
        assert!(take(state, resources, reporter, n_steps).unwrap());
        assert_eq!(taker.resources.model.weights_digest(), given);
        assert_eq!(taker.state.saved.round_0, None, "nothing to offer");
        let events = taker.record.take_events();
        let (first, last) = (names(&events)[0], names(&events)[events.len() - 1]);
        assert_eq!((first, last), ("round_reused", "round_trained"));
        // The scores come along: evaluating computes nothing.
        let n = taker.resources.inputs.test.len();
        let pass = Pass { key: PhaseKey::new(0, Phase::Test), split: Some(Split::Test) };
        assert_eq!(taker.state.shared_scores.known(pass, n).unwrap().len(), n);
    }

    #[test]
    fn a_round_is_trained_where_it_cannot_be_taken() {
        let mut giver = Bench::new(spec(|_| ()));
        giver.state.is_in_experiment = true;
        giver.play_round_0();
        let n_steps = giver.n_steps();
        let folder = giver.resources.home.shared_rounds();
        let weights = || -> std::path::PathBuf {
            let digest = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
            digest.join(NAME).join("mock.safetensors")
        };
        for (what, is_alone, reuses, is_damaged) in [
            ("a run by itself", true, true, false),
            ("a spec that does not want it", false, false, false),
            ("a damaged file", false, true, true),
        ] {
            if is_damaged {
                std::fs::write(weights(), "damage").unwrap();
            }
            let mut taker = beside(&giver, |spec| spec.rounds.reuse_round_0 = reuses);
            taker.state.is_in_experiment = !is_alone;
            let pretrained = taker.resources.model.weights_digest();
            let Bench { state, resources, reporter, .. } = &mut taker;
            assert!(!take(state, resources, reporter, n_steps).unwrap(), "{what}");
            assert_eq!(taker.resources.model.weights_digest(), pretrained, "{what}");
            assert_eq!(taker.state.saved.round_0.is_some(), is_damaged, "{what}");
        }
    }

    #[test]
    fn a_round_with_half_of_its_scores_is_not_offered() {
        let mut giver = Bench::new(spec(|_| ()));
        giver.state.is_in_experiment = true;
        giver.play_round_0();
        let shared = giver.resources.home.shared_rounds();
        std::fs::remove_dir_all(&shared).unwrap();
        giver.state.saved.round_0 = Some(Round0Draft { digest: "d".into(), n_train_tokens: 1 });
        giver.state.shared_scores.fresh.remove(Split::Test.name());
        offer(&mut giver.state, &giver.resources, &giver.reporter, 5).unwrap();
        assert!(!shared.join("d").exists());
        assert_eq!(giver.state.saved.round_0, None);
    }

    #[test]
    fn scores_belong_to_a_split_of_round_0() {
        let mut scores = SharedScores::default();
        let pass = |round, split| Pass { key: PhaseKey::new(round, Phase::Test), split };
        scores.remember(pass(0, None), &[[1.0, 2.0]]);
        scores.remember(pass(1, Some(Split::Test)), &[[1.0, 2.0]]);
        assert!(scores.fresh.is_empty());
        scores.remember(pass(0, Some(Split::Test)), &[[1.0, 2.0]]);
        scores.known = std::mem::take(&mut scores.fresh);
        assert_eq!(scores.known(pass(0, Some(Split::Test)), 1), Some(vec![[1.0, 2.0]]));
        assert_eq!(scores.known(pass(0, Some(Split::Test)), 2), None);
        assert_eq!(scores.known(pass(0, Some(Split::Validation)), 1), None);
        assert_eq!(scores.known(pass(1, Some(Split::Test)), 1), None);
    }
}
