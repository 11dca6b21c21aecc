//! `ser samples RUN`: the pairs a round scored, filtered and ordered as on the screen.

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::table::{Cell, Form, FormArgs, Table, number, print_json, text};
use crate::cli::{CliError, CliResult, Context, words};
use crate::domain::preference::Side;
use crate::domain::review::{Order, PrecisionEstimate, SampleFilter};
use crate::domain::verdict::Verdict;
use crate::store::{PairOpinions, RoundReview, SampleLine, Store};

/// Characters of a text in a table for people.
const N_CHARS_SHOWN: usize = 48;

/// Arguments of `ser samples`.
#[derive(Debug, clap::Args)]
pub struct SamplesArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    #[command(flatten)]
    list: ListArgs,
    /// In which order
    #[arg(long, value_enum, default_value_t = OrderName::LeastConfident, conflicts_with = "queue",
          value_name = "ORDER")]
    order: OrderName,
    /// A review queue instead of a list: `audit` is a random sample of the selected pairs, `teach`
    /// has the most doubtful first
    #[arg(long, value_enum, value_name = "QUEUE")]
    queue: Option<QueueName>,
    /// Print at most so many pairs
    #[arg(long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// Leave the first ones out
    #[arg(long, default_value_t = 0, value_name = "N")]
    offset: usize,
    /// Print the hidden human labels too
    #[arg(long)]
    gold: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// Which pairs of a run.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// Of this round [default: the latest with a selection]
    #[arg(long, value_name = "N")]
    round: Option<u32>,
    /// Only these: `confidence:.8-.9 near:.02 selected:yes why:tie flipped:yes verdict:none
    /// length>400 longer:yes slice:NAME like:PAIR words`, each inverted by `!`
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
}

/// `--order`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderName {
    /// The least confident first
    LeastConfident,
    /// The most confident first
    MostConfident,
    /// The largest change since the round before first
    Change,
    /// The longest answers first
    Longest,
    /// As in the data set
    Pair,
}

/// `--queue`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum QueueName {
    /// For measuring
    Audit,
    /// For improving
    Teach,
}

impl From<OrderName> for Order {
    fn from(name: OrderName) -> Self {
        match name {
            OrderName::LeastConfident => Self::LeastConfident,
            OrderName::MostConfident => Self::MostConfident,
            OrderName::Change => Self::Change,
            OrderName::Longest => Self::Longest,
            OrderName::Pair => Self::Pair,
        }
    }
}

impl From<QueueName> for Order {
    fn from(name: QueueName) -> Self {
        match name {
            QueueName::Audit => Self::Audit,
            QueueName::Teach => Self::Teach,
        }
    }
}

/// A list of a round.
pub struct Listed {
    /// The round.
    pub review: RoundReview,
    /// The filter, as it is understood.
    pub filter: SampleFilter,
    /// Rows in order.
    pub rows: Vec<u32>,
}

/// Reads a list of a run's pairs.
///
/// # Errors
/// When there is no such run or round, or the filter means nothing.
pub fn list(store: &Store, run: &str, args: &ListArgs, order: Order) -> CliResult<Listed> {
    let row = store.find_run(run)?;
    let filter =
        SampleFilter::parse(args.filter.as_deref().unwrap_or_default()).map_err(|error| {
            let hint = error.hint().unwrap_or_default();
            CliError::input(error.to_string()).with_hint(hint)
        })?;
    if order == Order::Audit && !filter.is_empty() {
        let message = "a filtered sample is not random: `--queue audit` takes no `--filter`";
        return Err(CliError::input(message).with_hint("leave one of them out"));
    }
    let Some(mut review) = store.round_review(&row.id, args.round)? else {
        let (name, id) = (&row.name, &row.id);
        return Err(match args.round {
            Some(round) => CliError::input(format!("round {round} of `{name}` has no selection"))
                .with_hint(format!("`ser rounds {id}` lists the rounds; round 0 selects nothing")),
            None => CliError::input(format!("`{name}` has scored no pair yet"))
                .with_hint(format!("round 1 does; `ser attach {id}` shows how far it is")),
        });
    };
    let rows = store.review_rows(&mut review, &filter, order)?;
    Ok(Listed { review, filter, rows })
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
    slice: String,
    prompt: String,
    response_a: String,
    response_b: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gold: Option<Side>,
}

/// Prints the pairs.
///
/// # Errors
/// As [`list`].
pub fn run(context: &Context, args: &SamplesArgs) -> CliResult {
    let store = context.store_to_read()?;
    let order = args.queue.map_or_else(|| args.order.into(), Order::from);
    let Listed { review, filter, rows } = list(&store, &args.run, &args.list, order)?;
    let shown: Vec<u32> = rows.iter().copied().skip(args.offset).take(args.limit).collect();
    let lines = store.sample_lines(&review, &shown)?;
    let mut samples = Vec::with_capacity(lines.len());
    for line in lines {
        let Some(pair) = store.pair_opinions(&review.run, review.round, line.pair)? else {
            continue;
        };
        samples.push(document(line, pair, args.gold));
    }
    let count = |verdict| review.state.verdicts.count(verdict);
    match args.form.form() {
        Form::Json => print_json(&SamplesDocument {
            schema: 1,
            run: review.run.to_string(),
            round: review.round,
            rounds: review.rounds.clone(),
            order: order.name(),
            filter: filter.to_string(),
            n_scored: review.columns.len(),
            n_selected: review.n_selected(),
            n_listed: rows.len(),
            n_vetoed: count(Verdict::Veto),
            n_kept: count(Verdict::Keep),
            n_flipped: count(Verdict::Flip),
            precision: review.precision(),
            samples,
        }),
        form => {
            table(&samples, form, args.gold).print(form, context.ascii)?;
            context.say(&summary(&review, rows.len(), samples.len()));
            Ok(())
        }
    }
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
        comment: pair.verdict.and_then(|verdict| verdict.comment),
        slice: line.slice,
        prompt: sample.prompt,
        response_a: sample.response_a,
        response_b: sample.response_b,
        gold: shows_gold.then_some(sample.gold),
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

fn table(samples: &[SampleDocument], form: Form, shows_gold: bool) -> Table {
    let mut columns = vec![
        number("pair", "pair"),
        number("confidence", "confidence"),
        number("change", "change"),
        text("preferred", "says"),
        text("left_out", "left out"),
        text("verdict", "verdict"),
        text("reason", "reason"),
        text("slice", "slice"),
    ];
    if shows_gold {
        columns.push(text("gold", "human"));
    }
    columns.extend([text("prompt", "prompt"), text("response_a", "A"), text("response_b", "B")]);
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
            Cell::maybe(sample.left_out),
            Cell::maybe(sample.verdict.map(Verdict::name)),
            Cell::maybe(sample.reason.as_deref()),
            Cell::new(&sample.slice),
        ];
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

fn side(side: Side) -> &'static str {
    match side {
        Side::A => "a",
        Side::B => "b",
    }
}
