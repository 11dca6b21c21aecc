//! What a run works on: the split, the human labels of the seed set, and every text as tokens.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::preference::{CandidatePair, LabelSource, PairId, TrainingLabel, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::spec::ExperimentSpec;
use crate::domain::split::{DataSplit, SplitRule, split};
use crate::domain::teacher::audit::PairFacts;
use crate::engine::score::{TruncationReport, truncation_report};
use crate::engine::{EncodedPair, PairText, RewardModel};
use crate::store::{RunDetail, Store};

use super::WorkerError;
use super::gold::GoldLabels;

/// What opens an answer in the plain dialogue template.
const ANSWER_TURN: &str = "Assistant:";
/// Pairs whose texts are in memory at one time.
const TEXTS_AT_ONCE: usize = 4096;

/// Everything a run reads, tokenized once.
pub struct Inputs {
    /// Who sees which pair.
    pub split: DataSplit,
    /// Test pairs: ids of the test source when there is one, else `split.test`.
    pub test: Vec<PairId>,
    /// Human labels of the seed set.
    pub seed_labels: Vec<TrainingLabel>,
    /// The group of each of them.
    pub seed_groups: Vec<u64>,
    /// The group of each validation pair.
    pub validation_groups: Vec<u64>,
    /// Human labels of the pool, for the full-labels control and for metrics.
    pub pool_labels: Vec<TrainingLabel>,
    /// Held-back labels, for metrics.
    pub gold: GoldLabels,
    /// What tokenizing cost.
    pub truncation: TruncationReport,
    train: Vec<EncodedPair>,
    marks: Vec<Mark>,
    separate_test: Option<Vec<EncodedPair>>,
}

impl Inputs {
    /// Divides the data and tokenizes all of it.
    ///
    /// # Errors
    /// When the store cannot be read, a part of the split would be empty, or a text cannot be
    /// tokenized.
    pub fn load(
        store: &Store,
        detail: &RunDetail,
        spec: &ExperimentSpec,
        model: &dyn RewardModel,
    ) -> Result<Self, WorkerError> {
        let groups = store.group_hashes(detail.dataset)?;
        let test_groups: Option<BTreeSet<u64>> = match detail.test_dataset {
            Some(dataset) => Some(store.group_hashes(dataset)?.into_iter().collect()),
            None => None,
        };
        let rule = SplitRule {
            rng_seed: spec.rng_seed,
            seed_labels: spec.data.seed_labels,
            validation_share: spec.data.validation_share,
            test_share: spec.data.test_share,
        };
        let split = split(&groups, test_groups.as_ref(), &rule)?;
        let reader = Reader { store, model, rng_seed: spec.rng_seed };
        let mut train = vec![EncodedPair::default(); groups.len()];
        let mut marks = vec![Mark::default(); groups.len()];
        let mut slices = Slices::default();
        for ids in [&split.seed_set, &split.validation, &split.unlabeled_pool, &split.test] {
            reader.encode_all(detail.dataset, ids, &mut train, |pair| {
                marks[pair.id.0 as usize] = slices.mark(pair);
            })?;
        }
        let known_wrong = reader.known_wrong(detail.dataset, &split.unlabeled_pool)?;
        let (test, separate_test) = match detail.test_dataset {
            Some(dataset) => {
                let n_test = store.group_hashes(dataset)?.len();
                let ids: Vec<PairId> = (0..n_test as u32).map(PairId).collect();
                let mut encoded = vec![EncodedPair::default(); n_test];
                reader.encode_all(dataset, &ids, &mut encoded, |_| ())?;
                (ids, Some(encoded))
            }
            None => (split.test.clone(), None),
        };
        let all = train.iter().chain(separate_test.iter().flatten());
        let truncation = truncation_report(all.filter(|pair| !pair.tokens_a.is_empty()));
        let human = |ids: &[PairId]| -> Vec<TrainingLabel> {
            ids.iter().map(|id| human_label(spec.rng_seed, *id)).collect()
        };
        let groups_of =
            |ids: &[PairId]| -> Vec<u64> { ids.iter().map(|id| groups[id.0 as usize]).collect() };
        Ok(Self {
            test,
            seed_labels: human(&split.seed_set),
            seed_groups: groups_of(&split.seed_set),
            validation_groups: groups_of(&split.validation),
            pool_labels: human(&split.unlabeled_pool),
            gold: GoldLabels::new(spec.rng_seed, known_wrong),
            truncation,
            split,
            train,
            marks,
            separate_test,
        })
    }

    /// The tokens of a training, validation or pool pair.
    #[must_use]
    pub fn pair(&self, id: PairId) -> &EncodedPair {
        &self.train[id.0 as usize]
    }

    /// What is known of the texts of a training, validation or pool pair.
    #[must_use]
    pub fn facts(&self, id: PairId) -> PairFacts {
        let (pair, mark) = (self.pair(id), self.marks[id.0 as usize]);
        PairFacts {
            n_tokens: [pair.tokens_a.len() as u32, pair.tokens_b.len() as u32],
            n_turns: u32::from(mark.n_turns),
            source: mark.source,
        }
    }

    /// The same of scored pairs, in their order.
    #[must_use]
    pub fn facts_of(&self, scores: &[PairScore]) -> Vec<PairFacts> {
        scores.iter().map(|score| self.facts(score.pair)).collect()
    }

    /// The tokens of a test pair.
    #[must_use]
    pub fn test_pair(&self, id: PairId) -> &EncodedPair {
        match &self.separate_test {
            Some(encoded) => &encoded[id.0 as usize],
            None => self.pair(id),
        }
    }
}

/// The label people gave: stored pairs are chosen first, the presentation is shuffled.
fn human_label(rng_seed: u64, pair: PairId) -> TrainingLabel {
    TrainingLabel { pair, preferred: chosen_side(rng_seed, pair), source: LabelSource::Human }
}

/// What is kept of a text beside its tokens.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    n_turns: u16,
    source: u32,
}

/// The slices seen so far, numbered as they come.
#[derive(Debug, Default)]
struct Slices {
    numbers: BTreeMap<String, u32>,
}

impl Slices {
    fn mark(&mut self, pair: &CandidatePair) -> Mark {
        let n_turns = pair.prompt.matches(ANSWER_TURN).count();
        let next = self.numbers.len() as u32;
        let source = match self.numbers.get(&pair.slice) {
            Some(number) => *number,
            None => *self.numbers.entry(pair.slice.clone()).or_insert(next),
        };
        Mark { n_turns: u16::try_from(n_turns).unwrap_or(u16::MAX), source }
    }
}

struct Reader<'a> {
    store: &'a Store,
    model: &'a dyn RewardModel,
    rng_seed: u64,
}

impl Reader<'_> {
    /// Tokenizes pairs in presentation order; texts are read without labels whatever the part.
    fn encode_all(
        &self,
        dataset: i64,
        ids: &[PairId],
        into: &mut [EncodedPair],
        mut look: impl FnMut(&CandidatePair),
    ) -> Result<(), WorkerError> {
        for ids in ids.chunks(TEXTS_AT_ONCE) {
            let candidates = self.store.candidate_pairs(dataset, self.rng_seed, ids)?;
            self.encode(&candidates, into)?;
            candidates.iter().for_each(&mut look);
        }
        Ok(())
    }

    fn encode(
        &self,
        candidates: &[CandidatePair],
        into: &mut [EncodedPair],
    ) -> Result<(), WorkerError> {
        let texts: Vec<PairText<'_>> = candidates
            .iter()
            .map(|pair| PairText {
                form: &pair.form,
                prompt: &pair.prompt,
                response_a: &pair.response_a,
                response_b: &pair.response_b,
            })
            .collect();
        for (candidate, encoded) in candidates.iter().zip(self.model.encode(&texts)?) {
            into[candidate.id.0 as usize] = encoded;
        }
        Ok(())
    }

    /// Pool pairs whose recorded label is known to be wrong.
    fn known_wrong(&self, dataset: i64, ids: &[PairId]) -> Result<BTreeSet<PairId>, WorkerError> {
        let mut known_wrong = BTreeSet::new();
        for ids in ids.chunks(TEXTS_AT_ONCE) {
            let pairs = self.store.preference_pairs(dataset, ids)?;
            let wrong = pairs.iter().zip(ids).filter(|(pair, _)| pair.label_noise);
            known_wrong.extend(wrong.map(|(_, id)| *id));
        }
        Ok(known_wrong)
    }
}
