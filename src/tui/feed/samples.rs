//! What the samples screen asks the reviewer for, and what it answers: store rows whose texts are
//! harmless.

use std::collections::BTreeSet;

use crate::domain::policy::judging::Matchup;
use crate::domain::policy::veto::RolloutKey;
use crate::domain::preference::{PairId, Side};
use crate::domain::review::goal::Progress;
use crate::domain::review::{Agreement, Choice, Judgment, Order, PrecisionEstimate, Queue};
use crate::domain::run::RunId;
use crate::domain::verdict::Verdict;
use crate::store::judging::NewVerdict;
use crate::store::{BatchRow, PairOpinions, SampleLine};

/// Where to go in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Find {
    /// To this pair, if the list has it.
    Pair(PairId),
    /// To the first pair of a queue that is open.
    Undecided,
    /// To the next pair from this line on that is open.
    OpenFrom(usize),
    /// To the last one before this line.
    OpenBefore(usize),
}

/// What the screen shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub run: RunId,
    /// Which round; `None` is the latest.
    pub round: Option<u32>,
    /// The filter as typed.
    pub filter: String,
    pub order: Order,
    /// How often the list was to be read again: it keeps its rows until then.
    pub n_refreshed: u32,
    /// The first line wanted.
    pub first: usize,
    pub n: usize,
    /// The line whose pair is wanted in full.
    pub cursor: usize,
    /// Look for this line first; the lines are then those around it.
    pub find: Option<Find>,
    /// Whether a pair is open until this reviewer has judged it, whatever others said.
    pub is_second: bool,
}

/// The pairs of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Pairs(Vec<PairId>),
    /// All of the list, which has so many: as many as were agreed to.
    Listed(usize),
}

/// What a person said of a pair in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    pub choice: Choice,
    /// The answer that stood on the left.
    pub left: Side,
    /// Whether the model's side was hidden.
    pub is_blind: bool,
}

/// Something for the reviewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Keep this up to date.
    Show(Wanted),
    Hide,
    Decide {
        /// About the pairs of which run.
        run: RunId,
        target: Target,
        verdict: Verdict,
        /// In which queue they were shown.
        queue: Option<Queue>,
        /// What was said of the only pair, in a queue; the verdict follows from it.
        judged: Option<Judged>,
    },
    /// Find the near-duplicates of a pair among those of the round.
    FindLike {
        run: RunId,
        pair: PairId,
    },
    /// Give a decision a reason or a comment.
    Amend {
        run: RunId,
        pair: PairId,
        reason: Option<String>,
        comment: Option<String>,
    },
    /// Take a prompt, or an answer, out of the batches of a policy, or lift that veto.
    VetoRollout {
        run: RunId,
        key: RolloutKey,
        is_veto: bool,
    },
    /// Record what was said of a policy's games, or taken back; the one on the screen is the last.
    JudgeGames {
        run: RunId,
        matchup: Matchup,
        verdicts: Vec<NewVerdict>,
    },
    /// Take the latest decision back.
    Undo(RunId),
    /// Bring back what was taken back.
    Redo(RunId),
}

/// What the reviewer found or did.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Lines and a pair.
    Data(Box<SamplesData>),
    /// The near-duplicates of a pair among those of the round, without itself.
    Like { run: RunId, pair: PairId, found: Vec<PairId> },
    /// The run has scored no pair yet.
    Nothing(RunId),
    /// Nothing can be read.
    Failed(String),
    /// A decision was recorded, or taken back; one line says which.
    Recorded(String),
    /// A request was not done; one line says why.
    Refused(String),
}

/// One state of the screen's data.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplesData {
    pub run: RunId,
    pub round: u32,
    /// All rounds with a selection.
    pub rounds: Vec<u32>,
    /// What was asked for.
    pub wanted: Wanted,
    /// Pairs scored in the round.
    pub n_scored: usize,
    /// Pairs selected in the round.
    pub n_selected: usize,
    /// Pairs in the list.
    pub n_listed: usize,
    /// Index of the first line.
    pub first: usize,
    /// Lines of the list from there.
    pub lines: Vec<SampleLine>,
    /// The line that was looked for, where it was found.
    pub found: Option<usize>,
    /// The pair under the cursor.
    pub pair: Option<Box<PairOpinions>>,
    /// The confidence below which nothing could be selected.
    pub floor: Option<f64>,
    /// Pairs with a verdict: vetoed, kept, flipped.
    pub n_decided: [usize; 3],
    /// What the audit says so far.
    pub estimate: Option<PrecisionEstimate>,
    /// What an undo would take back.
    pub undo: Option<BatchRow>,
    /// What a redo would bring back.
    pub redo: Option<BatchRow>,
    /// Pairs of the lines that this reviewer has judged.
    pub judged: BTreeSet<PairId>,
    /// How far the reviewer is in the queue.
    pub progress: Progress,
    /// What each reviewer said of the pair under the cursor, by name.
    pub said: Vec<(String, Judgment)>,
    /// How far each two reviewers agree, by name.
    pub agreements: Vec<(String, String, Agreement)>,
}

impl SamplesData {
    /// The line at an index of the list, if it was read.
    pub fn line(&self, index: usize) -> Option<&SampleLine> {
        self.lines.get(index.checked_sub(self.first)?)
    }
}
