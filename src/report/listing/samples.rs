//! The pairs that a round scored, filtered and ordered, one a line.

use serde::Serialize;

use super::json;
use crate::domain::pool::Origin;
use crate::domain::preference::Side;
use crate::domain::review::{Order, PrecisionEstimate, SampleFilter};
use crate::domain::run::RunId;
use crate::domain::text::words;
use crate::domain::told;
use crate::domain::verdict::Verdict;
use crate::report::ReportError;
use crate::report::table::{self, Cell, Form, Table, number};
use crate::store::{PairOpinions, RoundReview, SampleLine, Store};

/// Characters of a text in a table for people.
const N_CHARS_SHOWN: usize = 48;

/// Which pairs of a run are listed, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleList {
    /// The run that scored them.
    pub run: RunId,
    /// The round that scored them; `None` is the latest with a selection.
    pub round: Option<u32>,
    /// In the filter language of pairs; empty passes all.
    pub filter: String,
    /// In which order; a review queue is an order, too.
    pub order: Order,
    /// So many are left out at the beginning.
    pub offset: usize,
    /// At most so many are listed.
    pub limit: usize,
    /// Whether the hidden human labels are listed.
    pub shows_gold: bool,
}

/// The rows of a round that pass a filter.
pub struct Listed {
    /// The round.
    pub review: RoundReview,
    /// The filter, as it is understood.
    pub filter: SampleFilter,
    /// Rows of the review's columns, in order.
    pub rows: Vec<u32>,
}

/// Pairs with their texts, ready to be written.
pub struct Samples {
    listed: Listed,
    order: Order,
    shows_gold: bool,
    pairs: Vec<SampleDocument>,
}

/// Finds the pairs of a run that pass a filter, in order, without their texts.
///
/// # Errors
/// When there is no such run or round, or the filter means nothing.
pub fn list(
    store: &Store,
    run: &RunId,
    round: Option<u32>,
    filter: &str,
    order: Order,
) -> Result<Listed, ReportError> {
    let filter = SampleFilter::parse(filter)?;
    if order == Order::Audit && !filter.is_empty() {
        return Err(ReportError::FilteredAudit);
    }
    let Some(mut review) = store.round_review(run, round)? else {
        return Err(ReportError::no_review(&store.run(run)?.row, round));
    };
    let rows = store.review_rows(&mut review, &filter, order)?;
    Ok(Listed { review, filter, rows })
}

impl SampleList {
    /// Reads the pairs.
    ///
    /// # Errors
    /// As [`list`].
    pub fn read(&self, store: &Store) -> Result<Samples, ReportError> {
        let listed = list(store, &self.run, self.round, &self.filter, self.order)?;
        let shown = listed.rows.iter().copied().skip(self.offset).take(self.limit);
        let lines = store.sample_lines(&listed.review, &shown.collect::<Vec<u32>>())?;
        let mut samples = Vec::with_capacity(lines.len());
        for line in lines {
            let round = listed.review.round;
            let Some(pair) = store.pair_opinions(&self.run, round, line.pair)? else {
                continue;
            };
            samples.push(document(line, pair, self.shows_gold));
        }
        Ok(Samples { listed, order: self.order, shows_gold: self.shows_gold, pairs: samples })
    }
}

impl Samples {
    /// The pairs in a form.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn text(self, form: Form, is_ascii: bool) -> Result<String, ReportError> {
        if form != Form::Json {
            return Ok(sample_table(&self.pairs, form, self.shows_gold).text(form, is_ascii));
        }
        let Listed { review, filter, rows } = self.listed;
        let count = |verdict| review.state.verdicts.count(verdict);
        json(&SamplesDocument {
            schema: 1,
            run: review.run.to_string(),
            round: review.round,
            rounds: review.rounds.clone(),
            order: self.order.name(),
            filter: filter.to_string(),
            n_scored: review.columns.len(),
            n_selected: review.n_selected(),
            n_listed: rows.len(),
            n_vetoed: count(Verdict::Veto),
            n_kept: count(Verdict::Keep),
            n_flipped: count(Verdict::Flip),
            precision: review.precision(),
            samples: self.pairs,
        })
    }

    /// One line about the whole list: `round 1: 20 of 412 listed pairs; 14 audited: precision …`
    #[must_use]
    pub fn summary(&self) -> String {
        summary(&self.listed.review, self.listed.rows.len(), self.pairs.len())
    }
}

#[derive(Serialize)]
struct SamplesDocument {
    schema: u32,
    run: String,
    round: u32,
    rounds: Vec<u32>,
    order: &'static str,
    filter: String,
    n_scored: usize,
    n_selected: usize,
    n_listed: usize,
    n_vetoed: usize,
    n_kept: usize,
    n_flipped: usize,
    precision: Option<PrecisionEstimate>,
    samples: Vec<SampleDocument>,
}

#[derive(Serialize)]
struct SampleDocument {
    pair: u32,
    confidence: f64,
    margin: f32,
    preferred: Option<Side>,
    selected: bool,
    left_out: Option<&'static str>,
    change: Option<f64>,
    flipped: bool,
    verdict: Option<Verdict>,
    reason: Option<String>,
    comment: Option<String>,
    reviewer: Option<String>,
    slice: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    prompt: String,
    response_a: String,
    response_b: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gold: Option<Side>,
}

fn document(line: SampleLine, pair: PairOpinions, shows_gold: bool) -> SampleDocument {
    let sample = pair.sample;
    let preferred = crate::domain::review::columns::side_of(line.margin);
    SampleDocument {
        pair: line.pair.0,
        confidence: line.confidence,
        margin: line.margin,
        preferred,
        selected: line.left_out.is_none(),
        left_out: line.left_out.map(crate::domain::selection::LeftOut::name),
        change: line.change,
        flipped: line.is_flipped,
        verdict: line.verdict,
        reason: line.reason,
        comment: pair.verdict.as_ref().and_then(|verdict| verdict.comment.clone()),
        reviewer: pair.verdict.and_then(|verdict| verdict.reviewer),
        slice: line.slice,
        origin: line.origin,
        prompt: sample.prompt,
        response_a: sample.response_a,
        response_b: sample.response_b,
        gold: sample.gold.filter(|_| shows_gold),
    }
}

/// `20 of 412 pairs listed, 14 audited: precision 92.9 % [68.5, 98.7]`
fn summary(review: &RoundReview, n_listed: usize, n_shown: usize) -> String {
    let listed = format!(
        "round {}: {} of {} listed pairs",
        review.round,
        words::count(n_shown as u64),
        words::count(n_listed as u64)
    );
    match review.precision() {
        None => listed,
        Some(PrecisionEstimate { n_reviewed, precision, interval, .. }) => format!(
            "{listed}; {n_reviewed} audited: precision {} [{:.1}, {:.1}]",
            words::percent(precision),
            interval.low * 100.0,
            interval.high * 100.0
        ),
    }
}

fn sample_table(samples: &[SampleDocument], form: Form, shows_gold: bool) -> Table {
    let mut columns = vec![
        number("pair", "pair"),
        number("confidence", "confidence"),
        number("change", "change"),
        table::text("preferred", "says"),
        table::text("left_out", "left out"),
        table::text("verdict", "verdict"),
        table::text("reviewer", "by"),
        table::text("reason", "reason"),
        table::text("slice", "slice"),
    ];
    // The pairs of most runs are all those of the data set.
    let has_origin = samples.iter().any(|sample| sample.origin.is_some());
    if has_origin {
        columns.push(table::text("origin", "from"));
    }
    if shows_gold {
        columns.push(table::text("gold", if has_origin { "label" } else { "human" }));
    }
    columns.extend([
        table::text("prompt", "prompt"),
        table::text("response_a", "A"),
        table::text("response_b", "B"),
    ]);
    let mut table = Table::new(&columns);
    for sample in samples {
        let shorten = |text: &str| {
            if form != Form::Human {
                return text.to_owned();
            }
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let cut: String = line.chars().take(N_CHARS_SHOWN).collect();
            if cut.len() < line.len() { format!("{cut}…") } else { line }
        };
        let mut cells = vec![
            Cell::new(sample.pair),
            Cell::shown(Some(sample.confidence), |value| format!("{value:.3}")),
            Cell::shown(sample.change, |value| format!("{value:+.3}")),
            Cell::maybe(sample.preferred.map(side)),
            Cell::both(sample.left_out.map(left_out_words), sample.left_out.map(str::to_owned)),
            Cell::maybe(sample.verdict.map(Verdict::name)),
            Cell::maybe(sample.reviewer.as_deref()),
            Cell::maybe(sample.reason.as_deref()),
            Cell::new(&sample.slice),
        ];
        if has_origin {
            let origin = sample.origin.as_ref().map(Origin::to_string);
            cells.push(Cell::new(origin.unwrap_or_else(|| "data".to_owned())));
        }
        if shows_gold {
            cells.push(Cell::maybe(sample.gold.map(side)));
        }
        cells.extend(
            [&sample.prompt, &sample.response_a, &sample.response_b]
                .map(|text| Cell::new(shorten(text))),
        );
        table.push(cells);
    }
    table
}

/// `equal rewards`: the column's head says already that the pair was left out.
fn left_out_words(name: &str) -> String {
    let words =
        name.parse().map_or_else(|_| name.replace('_', " "), |it| told::left_out(it).to_owned());
    words.trim_start_matches("left out: ").to_owned()
}

fn side(side: Side) -> &'static str {
    match side {
        Side::A => "a",
        Side::B => "b",
    }
}
