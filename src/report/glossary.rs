//! What the words and signs on screens and in tables mean: one table, which `?` shows in the
//! interface and `ser explain` in a shell.
// a table of data

/// Where a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Runs,
    Live,
    Samples,
    Compare,
    Policy,
}

/// A word, or a sign, and what to know about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// The word as it is shown, then other writings of it, the names in JSON among them.
    pub words: &'static [&'static str],
    /// What it is, in one sentence.
    pub is: &'static str,
    /// What is good, or what to do about it.
    pub good: &'static str,
    /// The command, key or page that it comes from.
    pub from: &'static str,
    /// The screens that show it.
    pub places: &'static [Place],
}

impl Term {
    /// The word as screens show it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        self.words.first().copied().unwrap_or_default()
    }
}

/// The term that is called exactly so, whatever the case and whether with blanks or underscores.
#[must_use]
pub fn find(word: &str) -> Option<&'static Term> {
    let wanted = plain(word);
    TERMS.iter().find(|term| term.words.iter().any(|it| plain(it) == wanted))
}

/// The terms that a text finds: by their words first, then by what is said about them.
#[must_use]
pub fn search(text: &str) -> Vec<&'static Term> {
    let wanted = plain(text);
    let rank = |term: &Term| {
        let words: Vec<String> = term.words.iter().map(|it| plain(it)).collect();
        let said = || [term.is, term.good, term.from].iter().any(|it| plain(it).contains(&wanted));
        if words.contains(&wanted) {
            Some(0)
        } else if words.iter().any(|word| word.starts_with(&wanted)) {
            Some(1)
        } else if words.iter().any(|word| word.contains(&wanted)) {
            Some(2)
        } else {
            said().then_some(3)
        }
    };
    let mut found: Vec<(u8, &Term)> =
        TERMS.iter().filter_map(|term| Some((rank(term)?, term))).collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, term)| term).collect()
}

fn plain(word: &str) -> String {
    word.trim().to_lowercase().replace(['_', '/'], " ")
}

use Place::{Compare, Live, Policy, Runs, Samples};

/// Makes a [`Term`]: words, what it is, what is good, where it is from, where it stands.
macro_rules! term {
    ([$($word:literal),+], $is:literal, $good:literal, $from:literal, [$($place:expr),*]) => {
        Term { words: &[$($word),+], is: $is, good: $good, from: $from, places: &[$($place),*] }
    };
}

/// Every word, the most asked for first.
pub const TERMS: &[Term] = &[
    term!(
        ["test accuracy", "TEST", "test", "accuracy"],
        "Share of the test pairs whose better answer, by their human labels, gets the higher reward.",
        "Higher; .5 is a coin. Compare runs by differences with intervals, not by two numbers.",
        "Test pairs are never trained on and decide nothing (`data.test`).",
        [Runs, Live, Compare]
    ),
    term!(
        ["±95%", "95% interval", "interval", "95 %", "ci_low", "ci_high"],
        "Where the true value lies 19 times in 20; after an accuracy, half the width of that range.",
        "Narrower; four times the test pairs halve it. Two runs on the same pairs can differ surely although their ranges overlap.",
        "Wilson's interval for a share, a paired bootstrap for a difference.",
        [Runs, Live, Compare]
    ),
    term!(
        ["★", "baseline", "base"],
        "The run that the others are measured against.",
        "Your own choice: often `seed-only`, which uses the human labels and nothing else.",
        "`b` in Runs, or `ser star RUN`.",
        [Runs, Live, Compare]
    ),
    term!(
        ["vs base", "vs★", "difference"],
        "Test accuracy less that of the baseline ★. `~` before it: not tested on the same pairs.",
        "Above 0. Whether it is more than chance says Compare (`c`), not this column.",
        "`b` in Runs sets the baseline.",
        [Runs, Compare]
    ),
    term!(
        ["τ", "high threshold", "tau", "selection.high_threshold"],
        "The probability that the better answer must reach (and the worse one miss) in status 1.",
        "Higher keeps fewer and surer labels. A dash: the rule of this run has no such threshold.",
        "`selection.high_threshold`; read by the rules `learning_status` and `either_test` alone.",
        [Runs, Live]
    ),
    term!(
        ["selected", "SELECTED", "kept pairs", "n_selected"],
        "Pairs of the pool whose pseudo-label the round trains on.",
        "Neither many nor few: right ones. See precision and the bound of the error.",
        "`selection.rule`; a veto takes a pair out.",
        [Runs, Live, Samples, Compare]
    ),
    term!(
        ["coverage", "cov"],
        "The share of the pool that was selected.",
        "Higher teaches more, as long as precision holds.",
        "Selected pairs divided by scored ones.",
        [Live, Compare]
    ),
    term!(
        ["precision", "label precision", "prec", "pseudo_label_precision"],
        "Share of the selected pseudo-labels that agree with the hidden human labels.",
        "Well above the test accuracy. Your own data has no hidden labels: there the audit queue estimates it.",
        "Counted after the fact; nothing that trains ever reads it. `ser samples RUN --queue audit`.",
        [Live, Samples, Compare]
    ),
    term!(
        ["confidence", "CONF"],
        "How sure the labeling model is: the probability of the answer it prefers, from .5 to 1.",
        "Sure and right. Reliability shows whether .8 is right four times in five.",
        "The margin divided by the temperature, as a probability.",
        [Live, Samples]
    ),
    term!(
        ["margin", "MARGIN", "mean_margin", "reward_margin"],
        "The reward of answer A less that of answer B; above 0 the model prefers A.",
        "Its size is how far apart they are; it has no unit, so margins of two models do not compare.",
        "The scores of the round's teacher.",
        [Live, Samples, Compare]
    ),
    term!(
        ["Δ", "change", "▲", "▼"],
        "In lists of pairs: how the confidence changed since the round before (▲ up, ▼ down, = the same). In Compare: ▲ better and ▼ worse than the base, beyond chance.",
        "Pairs that change much are worth a look; the list can be sorted by it.",
        "Two rounds' scores of one pair; Holm's adjustment in Compare.",
        [Samples, Compare]
    ),
    term!(
        ["ns", "not significant"],
        "The difference from the base may be chance: its adjusted p is .05 or more.",
        "More test pairs or more random seeds make smaller differences visible.",
        "Exact McNemar test or paired t test, with Holm's adjustment.",
        [Compare]
    ),
    term!(
        ["p (Holm)", "p", "Holm", "p_holm"],
        "How often chance alone gives such a difference, adjusted for looking at several runs.",
        "Below .05 is the custom. It says nothing about how large the difference is.",
        "McNemar's exact test on common test pairs; Holm (1979).",
        [Compare]
    ),
    term!(
        ["McNemar p", "McNemar", "mcnemar_p_holm"],
        "The p of all test pairs of all seeds together: of the pairs where two arms disagree, how one-sided is it?",
        "Below .05. It knows the chance of the pairs, not that of the random seed.",
        "Exact McNemar test, Holm's adjustment.",
        [Compare]
    ),
    term!(
        ["gap closed", "gap_closed"],
        "How far the arm gets on the way from `seed-only` to `full-labels`, as a share.",
        "1 is as good as having every label; below 0 the pseudo-labels did harm.",
        "Needs both control arms in the experiment.",
        [Compare]
    ),
    term!(
        ["ECE", "test ECE", "expected calibration error", "test/ece", "held_out_ece"],
        "Mean distance between how sure the model is and how often it is right (expected calibration error).",
        "Lower: 0 is honest, .05 fair, .1 too sure or too shy by ten points.",
        "Ten bins of confidence. `selection.calibration` mends it before a selection.",
        [Live, Compare]
    ),
    term!(
        ["Brier", "test Brier", "test/brier"],
        "Mean squared distance between the probability given and what was true.",
        "Lower: .25 is a coin that always says one half; 0 is perfect.",
        "Brier (1950), on the test pairs.",
        [Live, Compare]
    ),
    term!(
        ["NLL", "test NLL", "test/nll", "negative log-likelihood"],
        "Mean surprise at the human label: −log of the probability that it was given.",
        "Lower: .69 is a coin. One surely wrong pair weighs much.",
        "On the test pairs.",
        [Compare]
    ),
    term!(
        ["reliability", "as right as sure"],
        "For each bin of confidence, how often the model is right; the dotted line is as right as sure.",
        "Points on the line. Below it (the second color) the model is too sure, above it too shy.",
        "The latest test pairs, or validation pairs before there are any.",
        [Live]
    ),
    term!(
        ["temperature", "T"],
        "The number that margins are divided by, so that confidences are right as often as they say.",
        "1 changes nothing; above 1 the model was too sure.",
        "Fitted on held-out human pairs before each selection (`selection.calibration`).",
        [Live]
    ),
    term!(
        ["over-confidence gained", "drift", "over_confidence_drift"],
        "How much surer than right the model is, less the same of the round before.",
        "0 or below. Above 0 it has become surer without becoming better.",
        "Held-out human pairs.",
        []
    ),
    term!(
        ["median"],
        "Half of the pool is surer than this, half less sure.",
        "It moves right as the model learns; all at .5 says that it knows nothing yet.",
        "Confidences of every scored pair.",
        [Live, Compare]
    ),
    term!(
        ["error ≤", "bound", "certificate", "certified", "error_bound"],
        "An upper bound on the share of wrong pseudo-labels that holds with the stated certainty.",
        "At most `selection.max_error`; `not certified` ends the loop.",
        "Held-out human pairs (`selection.rule = \"risk\"`).",
        [Live]
    ),
    term!(
        ["wrong labels, estimated", "model expects", "estimated_error"],
        "The share of the selected labels that the model itself expects to be wrong.",
        "Low, and honest only as far as the confidences are.",
        "Mean of one minus the confidence over the selected pairs.",
        [Live, Samples]
    ),
    term!(
        ["flip rate", "labels that changed", "n_flipped", "flip_rate"],
        "Pairs that get the other label than in the round before.",
        "Falling from round to round; 0 means that nothing new is learned.",
        "Two rounds' labels of the pool.",
        [Compare]
    ),
    term!(
        ["labels, all rounds", "labels trained on", "labels_trained_on"],
        "Labels that were trained on, summed over the rounds: one pair counts in every round that uses it.",
        "A price in computing, not in people. The price in people is `human labels`.",
        "Sum of the training sets of all rounds.",
        [Compare]
    ),
    term!(
        ["human labels", "labels spent", "human_labels", "n_labels_spent"],
        "Labels that people gave: seed set, validation pairs, and every keep and flip.",
        "Fewer for the same accuracy is what this program is for.",
        "`data.seed_labels` and verdicts.",
        [Live, Compare]
    ),
    term!(
        ["seed set", "seed_set"],
        "The pairs with human labels that round 0 trains on.",
        "More helps most where there are few; `ser` is for hundreds, not for all of them.",
        "`data.seed_labels`, less `data.validation_share`.",
        [Live]
    ),
    term!(
        ["validation", "validation accuracy", "validation/accuracy", "VALID", "valid"],
        "Accuracy on human pairs of the seed set that are held back from training.",
        "Higher. It chooses the best round and stops a round that makes things worse.",
        "`data.validation_share`, `rounds.on_drop`.",
        [Live, Compare]
    ),
    term!(
        ["pool", "unlabeled pool"],
        "The pairs whose labels the loop does not see and guesses.",
        "Many times the seed set.",
        "Everything that is neither seed set, validation nor test.",
        [Live]
    ),
    term!(
        ["pseudo-label"],
        "A label that the model gave a pair of the pool.",
        "Look at some: `3` lists them, `t` puts those first that teach most.",
        "The round's teacher.",
        [Live, Samples]
    ),
    term!(
        ["round", "ROUND"],
        "One turn of the loop: label the pool, select, train, evaluate. Round 0 trains on the seed set alone.",
        "Most is won in round 1; later rounds add little.",
        "`rounds.max`.",
        [Runs, Live, Samples, Compare]
    ),
    term!(
        ["arm", "recipe"],
        "A recipe by name: which settings make the loop ours, a published one, or a control without it. `NAME*` is one with a setting changed.",
        "Run `ser` beside `seed-only`, which shows what pseudo-labels bring.",
        "`--arm`; assets/arms/README.md says what each is.",
        [Runs, Compare]
    ),
    term!(
        ["preset"],
        "A spec of your own under a name.",
        "`P` in the form keeps one, `ser run NAME` starts from it.",
        "Files in the folder `presets` of the home.",
        []
    ),
    term!(
        ["spec"],
        "The complete settings of a run.",
        "`ser run --print-spec` prints it with a comment on every key.",
        "assets/default.toml, then arm, file and `--set`.",
        []
    ),
    term!(
        ["experiment"],
        "Runs that were started together to be compared: arms times random seeds.",
        "`E` in Runs shows its arms.",
        "`--name` with several arms or seeds.",
        [Runs]
    ),
    term!(
        ["random seed", "RNG", "rng seed", "rng", "rng_seed", "seeds"],
        "The number that every random choice of a run follows. It has nothing to do with the seed set.",
        "Three or more of them, to tell an arm from luck.",
        "`--rng-seeds 1,2,3`.",
        [Runs, Compare]
    ),
    term!(
        ["LR", "learning rate", "lr"],
        "Peak step size of the optimizer.",
        "Depends on the model: 3e-4 for the embedded one, about 1e-4 with LoRA, 1e-5 for all of a large one.",
        "`train.learning_rate`.",
        [Runs]
    ),
    term!(
        ["TREND", "trend"],
        "Test accuracy by round as bars; all rows share one scale.",
        "Rising, then flat.",
        "The column TEST of each round.",
        [Runs]
    ),
    term!(
        ["VETO", "veto", "vetoed", "n_vetoed"],
        "Pairs that a person forbade: never trained on.",
        "For pairs without a right answer; for a wrong label `flip` teaches more.",
        "`x` on a pair, or `ser veto RUN PAIR`.",
        [Runs, Live, Samples, Compare]
    ),
    term!(
        ["keep", "kept by you"],
        "A person says that the pseudo-label is right, which makes it a human label.",
        "It is trained on from the next round, at full weight.",
        "A verdict; `u` takes it back.",
        [Live, Samples]
    ),
    term!(
        ["flip", "flipped by you"],
        "A person says that the other answer is better, which makes that a human label.",
        "The most useful verdict: the model was wrong.",
        "A verdict; `u` takes it back.",
        [Live, Samples]
    ),
    term!(
        ["gold label", "human", "gold", "H"],
        "The human label of a pool pair, where the data has one; hidden from training.",
        "Look after you have judged, not before.",
        "`H` shows it, `--gold` in a shell.",
        [Live, Samples]
    ),
    term!(
        ["audit queue", "audit"],
        "A random sample of the selected pairs, to be read to its end: how many labels are wrong?",
        "20 pairs tell it within about 20 points, 100 within 10.",
        "`ser samples RUN --queue audit`.",
        [Samples]
    ),
    term!(
        ["blind"],
        "The pair is judged before the model's side is shown.",
        "Only so your labels are independent of the model's.",
        "`t` and `Q` in Samples; `B` shows what the model says.",
        [Samples]
    ),
    term!(
        ["verdict", "reviewed"],
        "What a person decided about a pseudo-label: veto, keep or flip.",
        "The newest one about a pair holds; `u` or `ser undo` takes yours back.",
        "Samples; `ser verdicts RUN` lists them.",
        [Samples]
    ),
    term!(
        ["kappa", "Cohen's kappa", "agreement"],
        "How far two reviewers agree beyond chance: 1 is always, 0 as two coins would.",
        "Above .6; below .4 the guidelines should say more.",
        "`ser verdicts RUN`, on pairs that both judged; Cohen (1960).",
        [Samples]
    ),
    term!(
        ["teach queue", "teach"],
        "The pairs whose human labels would help the next round most.",
        "Twenty of them are worth more than twenty at random.",
        "`t` in Samples, `ser samples RUN --queue teach`.",
        [Samples]
    ),
    term!(
        ["turned"],
        "The model now prefers the other answer than in the round before.",
        "Worth a look: one of the two rounds is wrong.",
        "Two rounds' scores of the pair.",
        [Samples]
    ),
    term!(
        ["slice", "slices", "shift of the slices", "source_shift"],
        "A named part of the data, such as a topic; its shift is how far the selected pairs are from the pool in that.",
        "A shift near 0: what is selected looks like the pool.",
        "`data.columns.slice`, or what the layout brings.",
        [Samples]
    ),
    term!(
        ["longer answer preferred", "selected_longer_share"],
        "Share of the selected labels that prefer the longer answer.",
        "Near that of people. Near 1 or 0 the model judges by length (`rounds.one_sided_max` ends the loop).",
        "Lengths in tokens.",
        []
    ),
    term!(
        ["margin with length, r", "length_correlation"],
        "How strongly the rewards follow the lengths of the answers (Pearson's r).",
        "0: length does not matter; 1 or −1: nothing else does.",
        "All pairs of the pool.",
        []
    ),
    term!(
        ["second view", "likelihood", "surface", "view_weight", "surface_weight"],
        "Another judge of a pair beside the reward model: how likely the backbone finds each answer, or what length and layout say. `×` is its weight.",
        "It counts only where held-out human pairs show that it helps.",
        "`selection.second_view`.",
        [Live]
    ),
    term!(
        ["teacher", "ensemble"],
        "Whoever labels the pool in a round: one model, or the mean of several.",
        "Fold models and second views make it better than any of them.",
        "`selection.teacher`.",
        []
    ),
    term!(
        ["learning status", "status"],
        "The paper's rule for which test a pseudo-label has to pass; a dash where the run's rule asks none.",
        "Status 1, later status 2, then the loop stops.",
        "Huang et al. (ICLR 2025), section 3.2; `selection.rule = \"learning_status\"`.",
        [Live]
    ),
    term!(
        ["status 1", "status_1"],
        "The model tells good from bad: one answer's probability must be high and the other's low.",
        "Holds while enough pairs pass (`selection.min_selected`).",
        "`selection.high_threshold`, `selection.low_threshold`.",
        [Live]
    ),
    term!(
        ["status 2", "status_2"],
        "The model widens differences: the two probabilities must differ by more than a threshold.",
        "Follows status 1 when that finds too few pairs.",
        "`selection.delta_threshold`.",
        [Live]
    ),
    term!(
        ["no status", "ungated"],
        "The rule of this run asks for no learning status: no test has to find enough pairs first.",
        "Usual: the arm `ser` takes the surest half of the pool in each round.",
        "`selection.rule`.",
        []
    ),
    term!(
        ["stop", "status stop"],
        "Neither test of the learning status finds enough pairs: the loop ends.",
        "The paper's ordinary end.",
        "`selection.min_selected`.",
        []
    ),
    term!(
        ["gate", "review", "waits for you"],
        "The run waits after each selection until a person has looked at it.",
        "Look at some pairs (`3`), then let it go on (`p`, `ser resume RUN`).",
        "`review.mode = \"gate\"`, `review.timeout`.",
        [Live, Samples]
    ),
    term!(
        ["train", "train loss", "loss"],
        "The model learns from the round's labels; the loss is how surprised it still is.",
        "Falling; .69 is a coin. A jump up where a round begins is a new start from the pretrained weights.",
        "`train.*`; `S` smooths and `L` scales the curve.",
        [Live]
    ),
    term!(
        ["folds", "cross_fit", "cross fit", "cross-fit", "fold"],
        "Models are trained on the seed set less a part each, and judge that part, which they have not seen.",
        "Their answers on unseen pairs say how far confidences can be trusted.",
        "`selection.calibration_folds`.",
        [Live]
    ),
    term!(
        ["judge fold", "judge_fold"],
        "A fold model scores the pool, the validation pairs and the part of the seed set that it has not seen.",
        "As many times as there are folds; their mean labels the pool in round 1.",
        "`selection.calibration_folds` and `selection.teacher`.",
        [Live]
    ),
    term!(
        ["open", "encode", "tokenize"],
        "Before the first round the weights are read and every text becomes tokens.",
        "Seconds; once in every start of the run.",
        "Nothing to set: it is the same for every run.",
        [Live]
    ),
    term!(
        ["slot", "queue", "place"],
        "So many runs are at work at a time, by what they compute on; the others wait in the queue.",
        "A paused run and one that waits for a review let their slot go.",
        "`[slots]` of config.toml; `!` on Runs or `ser queue` moves a run or starts it now.",
        [Runs, Live]
    ),
    term!(
        ["score pool", "score"],
        "The teacher gives every pair of the pool its rewards.",
        "Takes longer the larger the pool; nothing is learned meanwhile.",
        "The beginning of each round from 1 on.",
        [Live]
    ),
    term!(
        ["SFT", "sft", "supervised fine-tuning"],
        "Before its steps a policy learns the answers that people preferred in the seed set; what comes of it is the reference.",
        "0 epochs leave it out, for a model that answers well already.",
        "`policy.sft.epochs`.",
        []
    ),
    term!(
        ["policy", "policies"],
        "A language model that is trained to please a reward model, and judged by somebody else.",
        "More gold at little divergence; more reward alone may be over-optimization.",
        "`ser run --from RUN --policy rloo`, then `ser policy` and `ser rollouts`.",
        [Policy]
    ),
    term!(
        ["sample", "rollout", "rollouts", "answer", "policy answers", "origin"],
        "A policy answers the prompts of a step, or of a pool before a round is labeled, several times each; these answers are its rollouts.",
        "Different answers with different rewards: equal ones teach nothing.",
        "`policy.prompts_per_step`, `policy.answers`; `ser rollouts RUN` reads them.",
        [Policy]
    ),
    term!(
        ["update"],
        "The policy learns from the answers of a step: what was rewarded more than expected becomes likelier.",
        "A ratio that begins at 1, and a small share that the clip ends.",
        "`policy.objective`, `policy.epochs`, `policy.mini_batches`.",
        []
    ),
    term!(
        ["evaluate", "evaluate_policy", "held-out prompts"],
        "The policy answers the held-out prompts, the same after every step, and the judge scores the answers.",
        "Gold that rises with the reward.",
        "`policy.evaluate_every`, `policy.evaluate_prompts`.",
        [Policy]
    ),
    term!(
        ["best of n", "best_of", "best-of-n", "best_of_n"],
        "Of several answers the one with the highest reward is taken; nothing is trained.",
        "Where gold falls while the reward rises, the reward model is over-optimized.",
        "`policy.best_of`, `ser best-of`, `ser policy RUN --best-of`.",
        [Policy]
    ),
    term!(
        ["open reward", "open_reward", "proxy"],
        "The reward model that the policy is trained for (its score is the proxy) and the judge are opened.",
        "The proxy stands for what people want, and only as far as it was trained.",
        "`policy.reward`, `policy.gold`.",
        []
    ),
    term!(
        ["judge", "win rate"],
        "At its end the policy is compared with its reference, prompt by prompt, by the judge.",
        "A rate whose interval lies above one half, at equal length too.",
        "`policy.gold`; `ser policy ONE OTHER` compares policies.",
        [Policy]
    ),
    term!(
        ["restore"],
        "Gold fell significantly, so the policy takes the weights of its best evaluation again.",
        "It happens by itself; the run ends there.",
        "`policy.stop_on_drop`.",
        [Policy]
    ),
    term!(
        ["KL", "divergence", "nats"],
        "How far the policy is from its reference: the expected log-ratio of an answer's probabilities, in nats.",
        "Small for the gold that it brings. Below 0 or beyond 30 something is wrong.",
        "`policy.beta` holds it down; estimated from the sampled tokens (k1).",
        [Policy]
    ),
    term!(
        ["select"],
        "The pseudo-labels are chosen that the round trains on.",
        "Takes a moment.",
        "`selection.*`.",
        [Live]
    ),
    term!(
        ["validate"],
        "The round's model ranks the validation pairs; `test` is the same on the test pairs.",
        "Nothing is learned meanwhile.",
        "The end of each round.",
        [Live]
    ),
    term!(
        ["all rounds done", "round_limit"],
        "The run trained as many rounds as it was asked for.",
        "The usual end.",
        "`rounds.max`.",
        [Runs, Live]
    ),
    term!(
        ["all policy steps done", "step_limit"],
        "The policy took as many steps as it was asked for.",
        "The usual end of a policy run. Whether it got better says the judge, not the reward.",
        "`policy.steps`.",
        [Runs, Live]
    ),
    term!(
        ["gold fell: back to the best step", "gold_dropped"],
        "The judge's score fell significantly below its best while the reward went on: over-optimization.",
        "The policy has the weights of its best step again. A larger `policy.beta` gets farther.",
        "A paired t test over the held-out prompts, shared by all evaluations.",
        [Runs, Live]
    ),
    term!(
        ["another round would bring no new label", "nothing_new"],
        "The next round would train on the same labels: neither the model nor a person changed one.",
        "A good end. A verdict and `ser resume` go on from it.",
        "`selection.teacher = \"ensemble\"`.",
        [Runs, Live]
    ),
    term!(
        ["too few pairs left to select", "selection_exhausted"],
        "Fewer pairs passed the rule than it asks for.",
        "Lower the threshold or `selection.min_selected`, or be content with what there is.",
        "`selection.min_selected`.",
        [Runs, Live]
    ),
    term!(
        ["the seed model is no better than chance", "seed_not_better_than_chance"],
        "After round 0 the model ranks held-out human pairs no better than a coin, so its labels would be noise.",
        "More seed labels, another model, a higher learning rate or more epochs.",
        "`rounds.chance_level`.",
        [Runs, Live]
    ),
    term!(
        ["no share of the pool could be certified", "uncertified"],
        "At no size of the selection could the error be shown to stay below the limit.",
        "More human labels, or a larger `selection.max_error`.",
        "`selection.rule = \"risk\"`.",
        [Runs, Live]
    ),
    term!(
        ["the selection is one-sided by length", "selection_one_sided"],
        "Nearly all selected labels prefer the longer answer, or the shorter one.",
        "The model judges by length: `selection.longer_strata` takes both sides alike.",
        "`rounds.one_sided_max`.",
        [Runs, Live]
    ),
    term!(
        ["the round dropped on the validation pairs", "validation_dropped"],
        "A round is significantly worse than the one before; the run went back to that.",
        "The round before is the result.",
        "`rounds.on_drop`, `rounds.drop_level`.",
        [Runs, Live]
    ),
    term!(
        ["a number was not finite", "non_finite"],
        "A loss or a reward overflowed; the update was not applied.",
        "A lower `train.learning_rate`, or `train.clip_norm` above 0.",
        "Checked at every step.",
        [Runs, Live]
    ),
    term!(
        ["stopped on request", "stopped", "■", "user_stopped"],
        "A person ended the run; a checkpoint holds its state.",
        "`R` or `ser resume RUN` goes on.",
        "`x` in Runs, `ser stop RUN`.",
        [Runs, Live]
    ),
    term!(
        ["below the threshold", "confidence below the threshold", "below_threshold"],
        "The pair was left out: the teacher is less sure of it than of those that were selected.",
        "A human label of it may teach more than one of a sure pair.",
        "`selection.confidence_threshold` or `selection.top_share`.",
        [Live, Samples]
    ),
    term!(
        ["not one high and one low", "not_separated"],
        "The pair was left out: its answers are not one above `high_threshold` and one below `low_threshold`.",
        "Both may be good, or both bad.",
        "Status 1 of `selection.rule = \"learning_status\"`.",
        [Samples]
    ),
    term!(
        ["too close together", "delta_too_small"],
        "The pair was left out: the two probabilities differ too little.",
        "A lower `selection.delta_threshold` takes it.",
        "Status 2 of `selection.rule = \"learning_status\"`.",
        [Samples]
    ),
    term!(
        ["equal rewards", "tie"],
        "Both answers get the same reward, so that there is no label.",
        "Often the same text twice, or texts cut to the same beginning.",
        "The scores of the pair.",
        [Samples]
    ),
    term!(
        ["selected in an earlier round", "already_selected"],
        "The pair has its label from an earlier round, which is not revised.",
        "`selection.relabel = true` judges it again.",
        "`selection.relabel`.",
        [Samples]
    ),
    term!(
        ["running", "●"],
        "A process works on the run, whether a screen watches or not.",
        "`q` leaves the screen and the run goes on.",
        "`ser attach RUN` comes back.",
        [Runs, Live]
    ),
    term!(
        ["paused", "‖"],
        "The run is held between two steps and loses nothing.",
        "`p` or `ser resume RUN` lets it go on.",
        "`p`, `ser pause RUN`, or a gate that waits for a review.",
        [Runs, Live]
    ),
    term!(
        ["failed", "✗"],
        "The run ended by an error; what it had done before is kept.",
        "Its line says why; once the cause is gone, `R` goes on from the last checkpoint.",
        "runs/<id>/worker.log.",
        [Runs, Live]
    ),
    term!(
        ["done", "finished", "✓"],
        "The run came to its own end; the reason stands beside it.",
        "`c` compares it, `ser export RUN` takes its model away.",
        "The stop rules of `rounds.*` and `selection.*`.",
        [Runs, Live]
    ),
    term!(
        ["queued", "◌", "waits for a free slot"],
        "The run has not begun: another one has the slot.",
        "It begins by itself; `x` takes it out of the queue.",
        "Runs take turns, so that they do not slow each other down.",
        [Runs, Live]
    ),
    term!(
        ["interrupted", "lost", "⚠"],
        "The run's process is gone without an end (killed, out of memory, machine restarted).",
        "`R` or `ser resume RUN` ends with the same weights as if nothing had happened.",
        "runs/<id>/worker.log tells its last words.",
        [Runs, Live]
    ),
    term!(
        ["silent", "○"],
        "The run's process exists and has not spoken for a while.",
        "It may be stopped, swapped out, or wait for the disk.",
        "Its heartbeat ♥.",
        [Runs, Live]
    ),
    term!(
        ["♥", "heartbeat", "worker"],
        "The process that executes the run, and how long ago it said that it lives.",
        "A few seconds. It goes on when the screen closes.",
        "`ser worker`, started by the program itself.",
        [Live]
    ),
    term!(
        ["tokens/s", "tokens"],
        "Pieces of text the model computes in a second; a pair is two prompts with their answers.",
        "Compare with `ser bench` on a quiet machine.",
        "The step that runs now.",
        [Live]
    ),
    term!(
        ["░", "ghost", "g"],
        "Another round, or another run (`g`), behind the bars or curves of this one.",
        "Bars that move right of it: the model has become surer.",
        "`g` in Live chooses the run.",
        [Live]
    ),
    term!(
        ["time", "wall", "wall_s"],
        "Time by the clock, waiting for the machine included.",
        "Compare only runs on an equally busy machine.",
        "Begin and end of the round.",
        [Live, Compare]
    ),
    term!(
        ["oracle"],
        "Held-back labels that answer a review queue in place of a person, for measurements.",
        "It shows what twenty labels of yours would buy.",
        "`review.oracle`.",
        []
    ),
    term!(
        ["checkpoint"],
        "A run on disk: its weights, the optimizer, and where the loop stands.",
        "`ser resume RUN` goes on from the newest whole one and ends with the same weights.",
        "`runs/<id>/checkpoints` in the home; `rounds.keep_weights` says which stay.",
        []
    ),
    term!(
        ["chat template", "template", "chat_template"],
        "How a conversation is written out as the one text that a model reads.",
        "The model's own; training, `ser score`, `ser eval` and exports use the same.",
        "`model.chat_template`.",
        []
    ),
    term!(
        ["tuning", "LoRA", "lora"],
        "Which parameters are trained: all, the top layers, the head, or small matrices beside the weights (LoRA).",
        "LoRA or the head, where a large model would not fit or forgets what it knows.",
        "`model.tuning`.",
        []
    ),
    term!(
        ["backbone", "model"],
        "The language model below the reward: `embedded`, a folder, or `hf:owner/name`.",
        "A better one moves accuracy more than any setting.",
        "`model.backbone`.",
        [Runs]
    ),
    term!(
        ["reference"],
        "The policy as it was before its first step; its answers are those of evaluation 0.",
        "How far the policy has moved is measured from there.",
        "`policy.sft.*` makes it.",
        [Policy]
    ),
    term!(
        ["reward", "rewards/proxy/mean"],
        "What the policy is trained for: the score of the reward model, before any penalty.",
        "Rises by itself. It is good news only as long as gold rises with it.",
        "`policy.reward`.",
        [Policy]
    ),
    term!(
        ["gold score", "rewards/gold/mean"],
        "The score by a judge that the policy is not trained for.",
        "Higher. Where it falls while the reward rises, the policy exploits its reward model.",
        "`policy.gold`.",
        [Policy]
    ),
    term!(
        ["over-optimization", "reward hacking"],
        "The reward goes on rising with the divergence while gold stays or falls.",
        "Stop before it: a larger `policy.beta`, fewer steps, or a better reward model.",
        "The charts by divergence (`m`).",
        [Policy]
    ),
    term!(
        ["entropy"],
        "How open the choice of the next token is, in nats.",
        "A slow fall is learning; a collapse means that all answers become one.",
        "Means over the tokens of a step.",
        [Policy]
    ),
    term!(
        ["advantage", "ADV"],
        "How much better an answer did than was to be expected; it moves the policy toward it or away.",
        "Of either sign. All near 0: the prompt teaches nothing.",
        "Made of the rewards of the answers to one prompt.",
        [Policy]
    ),
    term!(
        ["gap", "GAP"],
        "The best reward of a prompt's answers less the worst.",
        "Above 0: without a gap a step learns nothing from the prompt.",
        "`s` on screen 6 sorts by it.",
        [Policy]
    ),
    term!(
        ["reward above gold"],
        "How many places an answer stands higher by reward than by gold among all answers shown.",
        "Read those first: they show what the reward model likes and the judge does not.",
        "`s` on screen 6 sorts by it.",
        [Policy]
    ),
    term!(
        ["tokens of an answer", "completions/mean_length"],
        "Length of an answer, its end token included.",
        "Growing with the reward while gold is flat is a known way to please a reward model.",
        "`policy.max_new_tokens` is the limit.",
        [Policy]
    ),
    term!(
        ["share cut", "completions/clipped_ratio"],
        "Share of the answers that the limit cut before they came to an end.",
        "Near 0. Near 1, hardly an answer is judged by its end.",
        "`policy.max_new_tokens`, `policy.missing_end_penalty`.",
        [Policy]
    ),
    term!(
        ["blind judging"],
        "A person compares two answers to a held-out prompt without knowing whose they are: the policy's and \
         its reference's, or another policy's.",
        "A rate that the judge's on the same prompts agrees with: then gold measures what people mean.",
        "`b` on the policy screen (`6`); `ser policy RUN` has the numbers. Sides are a function of run, \
         person and prompt, and are told when all is judged.",
        [Policy]
    ),
    term!(
        ["sign of trouble"],
        "A known way in which a policy goes wrong, seen in its numbers and told in one sentence.",
        "None. `!` on the charts stands where one was seen first.",
        "Looked for after each step and evaluation.",
        [Policy]
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use strum::VariantArray;

    use super::*;
    use crate::domain::phase::Phase;
    use crate::domain::run::StopReason;
    use crate::domain::selection::LeftOut;
    use crate::domain::selection::learning_status::LearningStatus;
    use crate::domain::told;

    #[test]
    fn a_word_means_one_thing() {
        let mut seen = BTreeMap::new();
        for term in TERMS {
            for word in term.words.iter().map(|word| plain(word)) {
                if let Some(other) = seen.insert(word.clone(), term.word()) {
                    assert_eq!(other, term.word(), "`{word}` stands in two terms");
                }
            }
            for text in [term.is, term.good, term.from] {
                assert!(text.ends_with(['.', '?']) && text.len() <= 200, "{text}");
            }
        }
    }

    #[test]
    fn every_state_reason_and_phase_is_explained() {
        let names = StopReason::VARIANTS.iter().flat_map(|it| [it.name(), told::stop_reason(*it)]);
        let left = LeftOut::VARIANTS.iter().filter(|it| **it != LeftOut::Stopped);
        let left = left.map(|it| it.name());
        let states = LearningStatus::VARIANTS.iter().map(|it| it.name());
        let phases = Phase::VARIANTS.iter().map(|it| it.name());
        let asked = ["τ", "vs★", "Δ", "▲", "cov", "precision", "ECE", "Brier", "margin", "arm"];
        for word in names.chain(left).chain(states).chain(phases).chain(asked) {
            assert!(find(word).is_some(), "`{word}` is in no term");
        }
        for step in Phase::VARIANTS {
            assert!(find(&told::phase(step.name())).is_some(), "{step:?}");
        }
    }

    #[test]
    fn words_are_found_before_what_is_said_about_them() {
        assert_eq!(find("Cross_Fit").map(Term::word), Some("folds"));
        assert_eq!(search("cov").first().map(|term| term.word()), Some("coverage"));
        assert_eq!(find("nothing_new"), search("nothing_new").first().copied());
        assert!(search("wilson").iter().any(|term| term.word() == "±95%"));
        assert!(search("zzz").is_empty());
    }
}
