//! What a run works on: the split, the human labels of the seed set, and every text as tokens.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::pool::GeneratedPair;
use crate::domain::pool::prompts::PoolPrompts;
use crate::domain::preference::{
    CandidatePair, LabelSource, PairFacts, PairId, TrainingLabel, chosen_side,
};
use crate::domain::spec::{ExperimentSpec, PoolLabels};
use crate::domain::split::{DataSplit, SplitRule, split};
use crate::domain::teacher::second_view::View;
use crate::domain::text::conversation::TextForm;
use crate::domain::text::surface::{Features, N_FEATURES, features};
use crate::engine::score::{TruncationReport, truncation_report};
use crate::engine::{EncodedPair, PairText, RewardModel};
use crate::store::{Store, StoreError};

use super::WorkerError;
use super::gold::GoldLabels;

/// What opens an answer in the plain dialogue template.
const ANSWER_TURN: &str = "Assistant:";
/// Pairs whose texts are in memory at one time; their tokens are kept, the texts are not.
const TEXTS_AT_ONCE: usize = 4096;

/// The place that pairs are read from. It is a trait so that a test can count what is read.
pub trait PairSource {
    /// Returns the group hash of every pair of a data set.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn group_hashes(&self, dataset: i64) -> Result<Vec<u64>, StoreError>;

    /// Returns the pairs whose recorded label is known to be wrong, without reading a text.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn mislabeled_pairs(&self, dataset: i64) -> Result<Vec<PairId>, StoreError>;

    /// Reads the texts of pairs in presentation order, without any label.
    ///
    /// # Errors
    /// When a pair does not exist.
    fn candidate_pairs(
        &self,
        dataset: i64,
        rng_seed: u64,
        ids: &[PairId],
    ) -> Result<Vec<CandidatePair>, StoreError>;
}

impl PairSource for Store {
    fn group_hashes(&self, dataset: i64) -> Result<Vec<u64>, StoreError> {
        Self::group_hashes(self, dataset)
    }

    fn mislabeled_pairs(&self, dataset: i64) -> Result<Vec<PairId>, StoreError> {
        Self::mislabeled_pairs(self, dataset)
    }

    fn candidate_pairs(
        &self,
        dataset: i64,
        rng_seed: u64,
        ids: &[PairId],
    ) -> Result<Vec<CandidatePair>, StoreError> {
        Self::candidate_pairs(self, dataset, rng_seed, ids)
    }
}

/// Everything a run reads: each text is read and tokenized once, and then dropped.
pub struct Inputs {
    /// Which pair is in which part.
    pub split: DataSplit,
    /// Test pairs: ids of the test source when there is one, else `split.test`.
    pub test: Vec<PairId>,
    /// Human labels of the seed set.
    pub seed_labels: Vec<TrainingLabel>,
    /// The groups of the pairs in `seed_labels`.
    pub seed_groups: Vec<u64>,
    /// The groups of the validation pairs.
    pub validation_groups: Vec<u64>,
    /// Human labels of the pool, for the full-labels control and for metrics.
    pub pool_labels: Vec<TrainingLabel>,
    /// Held-back labels, for metrics.
    pub gold: GoldLabels,
    pub truncation: TruncationReport,
    train: Vec<EncodedPair>,
    marks: Vec<Mark>,
    /// Surface features of both answers of each pair; empty where no view needs them.
    surface: Vec<[Features; 2]>,
    separate_test: Option<Vec<EncodedPair>>,
    slices: Slices,
    /// Prompts that a policy may be asked; empty where the spec asks none.
    prompts: PoolPrompts,
    /// The part of the pool that the fold models judge: pairs of the data set, and those of the policy for
    /// round 1.
    n_judged: usize,
}

impl Inputs {
    /// Divides the data of a data set, and of a separate one for testing where there is one, and
    /// tokenizes all of it.
    ///
    /// # Errors
    /// When the source cannot be read, a part of the split would be empty, or a text cannot be
    /// tokenized.
    pub fn load(
        source: &dyn PairSource,
        (dataset, test_dataset): (i64, Option<i64>),
        spec: &ExperimentSpec,
        model: &dyn RewardModel,
    ) -> Result<Self, WorkerError> {
        let groups = source.group_hashes(dataset)?;
        let test_groups = test_dataset.map(|dataset| source.group_hashes(dataset)).transpose()?;
        let n_test = test_groups.as_ref().map_or(0, Vec::len);
        let test_groups: Option<BTreeSet<u64>> = test_groups.map(|it| it.into_iter().collect());
        let split = split(&groups, test_groups.as_ref(), &SplitRule::of_spec(spec))?;
        let reader = Reader { source, model, rng_seed: spec.rng_seed };
        let mut train = vec![EncodedPair::default(); groups.len()];
        let (mut marks, mut slices) = (vec![Mark::default(); groups.len()], Slices::default());
        let n_described = if asks_surface(spec) { groups.len() } else { 0 };
        let mut surface = vec![[[0.0; N_FEATURES]; 2]; n_described];
        let (mut prompts, asks_policy) = (PoolPrompts::default(), spec.generates_pairs());
        let parts = [&split.seed_set, &split.validation, &split.unlabeled_pool];
        for (ids, is_asked) in
            parts.map(|ids| (ids, true)).into_iter().chain([(&split.test, false)])
        {
            let is_pool = std::ptr::eq(ids, &raw const split.unlabeled_pool);
            reader.encode_all(dataset, ids, &mut train, |pair| {
                if asks_policy {
                    note_prompt(&mut prompts, pair, is_pool);
                }
                let place = pair.id.0 as usize;
                marks[place] = slices.mark(pair);
                if let Some(surface) = surface.get_mut(place).filter(|_| is_asked) {
                    let answers = [&pair.response_a, &pair.response_b];
                    *surface = answers.map(|answer| features(&pair.prompt, answer));
                }
            })?;
        }
        let (test, separate_test) = match test_dataset {
            Some(dataset) => {
                let ids: Vec<PairId> = (0..n_test as u32).map(PairId).collect();
                let mut encoded = vec![EncodedPair::default(); n_test];
                reader.encode_all(dataset, &ids, &mut encoded, |pair| {
                    if asks_policy {
                        prompts.bar(&pair.prompt);
                    }
                })?;
                (ids, Some(encoded))
            }
            None => (split.test.clone(), None),
        };
        let mislabeled = source.mislabeled_pairs(dataset)?;
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
            gold: GoldLabels::new(
                spec.rng_seed,
                mislabeled.into_iter().collect(),
                PairId(groups.len() as u32),
            ),
            truncation,
            n_judged: split.unlabeled_pool.len(),
            slices,
            prompts,
            split,
            train,
            marks,
            surface,
            separate_test,
        })
    }

    /// Tokenizes pairs of a policy, so that they can be scored and learned from; they are in no part yet.
    /// Pairs that are known are passed over.
    ///
    /// # Errors
    /// When a text cannot be read or tokenized.
    pub fn know(
        &mut self,
        model: &dyn RewardModel,
        pairs: &[(GeneratedPair, CandidatePair)],
    ) -> Result<(), WorkerError> {
        let n_known = self.train.len() as u32;
        for (generated, candidate) in pairs.iter().filter(|(_, pair)| pair.id.0 >= n_known) {
            let [encoded] = &model.encode(&[pair_text(candidate)])?[..] else { continue };
            self.train.push(encoded.clone());
            self.marks.push(self.slices.mark(candidate));
            if !self.surface.is_empty() {
                let answers = [&candidate.response_a, &candidate.response_b];
                self.surface.push(answers.map(|answer| features(&candidate.prompt, answer)));
            }
            self.prompts.is_new(&generated.prompt, [&generated.chosen, &generated.rejected]);
            if generated.is_judged {
                self.gold.judge(generated.pair);
            }
        }
        Ok(())
    }

    /// Lets pairs of a policy that are known join the pool for a round and all later ones.
    pub fn join(&mut self, round: u32, pairs: impl IntoIterator<Item = PairId>) {
        let pool = &mut self.split.unlabeled_pool;
        let last = pool.last().copied();
        pool.extend(pairs.into_iter().filter(|pair| last.is_none_or(|last| *pair > last)));
        if round == 1 {
            self.n_judged = pool.len();
        }
    }

    /// The pool as the fold models judge it.
    #[must_use]
    pub fn judged_pool(&self) -> &[PairId] {
        &self.split.unlabeled_pool[..self.n_judged]
    }

    /// The number of the next pair of a policy.
    #[must_use]
    pub fn next_pair(&self) -> PairId {
        PairId(self.train.len() as u32)
    }

    /// The prompts that a policy may be asked.
    pub fn prompts(&mut self) -> &mut PoolPrompts {
        &mut self.prompts
    }

    /// Returns the tokens of a training, validation or pool pair.
    #[must_use]
    pub fn pair(&self, id: PairId) -> &EncodedPair {
        &self.train[id.0 as usize]
    }

    /// Tells what is known of the texts of a training, validation or pool pair.
    #[must_use]
    pub fn facts(&self, id: PairId) -> PairFacts {
        let (pair, mark) = (self.pair(id), self.marks[id.0 as usize]);
        PairFacts {
            n_tokens: [pair.tokens_a.len() as u32, pair.tokens_b.len() as u32],
            n_turns: u32::from(mark.n_turns),
            source: mark.source,
        }
    }

    /// Describes the surface of both answers `[a, b]` of a training, validation or pool pair; zeros
    /// where the spec asks no view for it.
    #[must_use]
    pub fn surface(&self, id: PairId) -> [Features; 2] {
        self.surface.get(id.0 as usize).copied().unwrap_or([[0.0; N_FEATURES]; 2])
    }

    /// Frees the surface features once the view has scored the pairs.
    pub fn forget_surface(&mut self) {
        self.surface = Vec::new();
    }

    /// Returns the tokens of a test pair.
    #[must_use]
    pub fn test_pair(&self, id: PairId) -> &EncodedPair {
        match &self.separate_test {
            Some(encoded) => &encoded[id.0 as usize],
            None => self.pair(id),
        }
    }
}

/// Notes a prompt: one of the pool may be asked, any other bars those like it.
fn note_prompt(prompts: &mut PoolPrompts, pair: &CandidatePair, is_pool: bool) {
    if is_pool {
        prompts.add(pair.id, &pair.prompt, [&pair.response_a, &pair.response_b]);
    } else {
        prompts.bar(&pair.prompt);
    }
}

fn pair_text(pair: &CandidatePair) -> PairText<'_> {
    PairText {
        form: &pair.form,
        prompt: &pair.prompt,
        response_a: &pair.response_a,
        response_b: &pair.response_b,
    }
}

/// Whether the surface view is used beside fold models, so that surface features are needed.
fn asks_surface(spec: &ExperimentSpec) -> bool {
    let labels_pool = spec.rounds.max > 0 && spec.rounds.pool_labels == PoolLabels::Pseudo;
    labels_pool && spec.selection.cross_fits() && spec.selection.second_view.asks(View::Surface)
}

/// The label that people gave: the store has the chosen answer first, while a run shows the two in
/// shuffled order.
fn human_label(rng_seed: u64, pair: PairId) -> TrainingLabel {
    TrainingLabel { pair, preferred: chosen_side(rng_seed, pair), source: LabelSource::Human }
}

/// The facts about a text that are kept beside its tokens.
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
        // One question stands without marks.
        let is_exchange = matches!(pair.form, TextForm::Messages(_));
        let n_turns = pair.prompt.matches(ANSWER_TURN).count().max(usize::from(is_exchange));
        let next = self.numbers.len() as u32;
        let source = match self.numbers.get(&pair.slice) {
            Some(number) => *number,
            None => *self.numbers.entry(pair.slice.clone()).or_insert(next),
        };
        Mark { n_turns: u16::try_from(n_turns).unwrap_or(u16::MAX), source }
    }
}

struct Reader<'a> {
    source: &'a dyn PairSource,
    model: &'a dyn RewardModel,
    rng_seed: u64,
}

impl Reader<'_> {
    /// Tokenizes pairs in presentation order. Texts are read without labels, whatever the part is
    /// for.
    fn encode_all(
        &self,
        dataset: i64,
        ids: &[PairId],
        into: &mut [EncodedPair],
        mut look: impl FnMut(&CandidatePair),
    ) -> Result<(), WorkerError> {
        for ids in ids.chunks(TEXTS_AT_ONCE) {
            let candidates = self.source.candidate_pairs(dataset, self.rng_seed, ids)?;
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
        let texts: Vec<PairText<'_>> = candidates.iter().map(pair_text).collect();
        for (candidate, encoded) in candidates.iter().zip(self.model.encode(&texts)?) {
            into[candidate.id.0 as usize] = encoded;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::Side;
    use crate::domain::spec::SecondView;
    use crate::worker::testing::{FakeSource, N_PAIRS, mock, spec};

    fn load(source: &FakeSource, test: Option<i64>, spec: &ExperimentSpec) -> Inputs {
        Inputs::load(source, (1, test), spec, &mock(spec)).unwrap()
    }

    #[test]
    fn every_text_is_read_once_whatever_the_run_needs_of_it() {
        type Change = fn(&mut ExperimentSpec);
        let cases: [(Change, Option<i64>, usize); 3] = [
            (|_| (), None, N_PAIRS),
            (
                |spec| {
                    spec.selection.calibration_folds = 3;
                    spec.selection.second_view = SecondView::Both;
                },
                None,
                N_PAIRS,
            ),
            (|_| (), Some(2), 2 * N_PAIRS),
        ];
        for (change, test, n_read) in cases {
            let source = FakeSource::default();
            load(&source, test, &spec(change));
            let read = source.reads();
            assert_eq!(read.values().sum::<usize>(), n_read);
            assert!(read.values().all(|n| *n == 1), "{read:?}");
        }
    }

    #[test]
    fn the_surface_is_kept_only_where_a_view_will_ask() {
        type Change = fn(&mut ExperimentSpec);
        let cases: [(&str, Change, bool); 5] = [
            ("folds and a view", |_| (), true),
            ("no folds", |spec| spec.selection.calibration_folds = 0, false),
            ("no view", |spec| spec.selection.second_view = SecondView::Likelihood, false),
            ("no round", |spec| spec.rounds.max = 0, false),
            ("human labels", |spec| spec.rounds.pool_labels = PoolLabels::Human, false),
        ];
        for (what, change, is_kept) in cases {
            let spec = spec(|spec| {
                spec.selection.calibration_folds = 3;
                spec.selection.second_view = SecondView::Surface;
                change(spec);
            });
            let mut inputs = load(&FakeSource::default(), None, &spec);
            let pair = inputs.split.unlabeled_pool[0];
            let texts = FakeSource::default().candidate_pairs(1, spec.rng_seed, &[pair]).unwrap();
            let [a, b] = [&texts[0].response_a, &texts[0].response_b];
            let expected = [a, b].map(|answer| features(&texts[0].prompt, answer));
            assert_eq!(inputs.surface(pair) == expected, is_kept, "{what}");
            inputs.forget_surface();
            assert_eq!(inputs.surface(pair), [[0.0; N_FEATURES]; 2]);
        }
    }

    #[test]
    fn labels_and_groups_stand_in_the_order_of_the_split() {
        let spec = spec(|_| ());
        let source = FakeSource::default();
        let inputs = load(&source, None, &spec);
        let groups = source.group_hashes(1).unwrap();
        let ids = |labels: &[TrainingLabel]| -> Vec<PairId> {
            labels.iter().map(|label| label.pair).collect()
        };
        assert_eq!(ids(&inputs.seed_labels), inputs.split.seed_set);
        assert_eq!(ids(&inputs.pool_labels), inputs.split.unlabeled_pool);
        for (id, group) in inputs.split.seed_set.iter().zip(&inputs.seed_groups) {
            assert_eq!(*group, groups[id.0 as usize]);
        }
        for label in &inputs.seed_labels {
            assert_eq!(label.preferred, chosen_side(spec.rng_seed, label.pair));
            assert_eq!(label.source, LabelSource::Human);
        }
        assert_eq!(inputs.test, inputs.split.test);
    }

    #[test]
    fn noise_that_the_data_set_records_is_undone_in_the_held_back_labels() {
        let spec = spec(|_| ());
        let inputs = load(&FakeSource::default(), None, &spec);
        let mut n_wrong = 0;
        for id in &inputs.split.unlabeled_pool {
            let recorded = chosen_side(spec.rng_seed, *id);
            let is_wrong = FakeSource::is_mislabeled(*id);
            n_wrong += usize::from(is_wrong);
            let expected: Side = if is_wrong { recorded.other() } else { recorded };
            assert_eq!(inputs.gold.preferred(*id), expected, "{id:?}");
        }
        assert!(n_wrong > 0);
    }

    #[test]
    fn a_test_source_of_its_own_is_read_by_its_own_numbers() {
        let spec = spec(|_| ());
        let inputs = load(&FakeSource::default(), Some(2), &spec);
        assert_eq!(inputs.test.len(), N_PAIRS);
        assert!(inputs.split.test.is_empty());
        // Pair 0 of data set 2 is another than pair 0 of data set 1.
        assert_ne!(inputs.test_pair(PairId(0)), inputs.pair(PairId(0)));
        let alone = load(&FakeSource::default(), None, &spec);
        let id = alone.test[0];
        assert_eq!(alone.test_pair(id), alone.pair(id));
    }

    #[test]
    fn facts_tell_tokens_turns_and_slice() {
        let spec = spec(|_| ());
        let inputs = load(&FakeSource::default(), None, &spec);
        let ids = &inputs.split.unlabeled_pool;
        for id in ids {
            let (facts, pair) = (inputs.facts(*id), inputs.pair(*id));
            let n_tokens = [pair.tokens_a.len() as u32, pair.tokens_b.len() as u32];
            assert_eq!((facts.n_tokens, facts.n_turns), (n_tokens, id.0 % 2), "{id:?}");
        }
        let slices: BTreeSet<u32> = ids.iter().map(|id| inputs.facts(*id).source).collect();
        assert_eq!(slices.len(), 3);
    }
}
