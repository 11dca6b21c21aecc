//! `ser samples RUN`: the pairs a round scored, filtered and ordered as on the screen.

use clap::ValueEnum;

use crate::cli::print::{FormArgs, print_text};
use crate::cli::{CliResult, Context};
use crate::domain::review::Order;
use crate::report::listing::samples::{self, Listed, SampleList};
use crate::report::table::Form;
use crate::store::Store;

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

/// Which pairs of a run are listed.
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

/// Reads a list of a run's pairs.
///
/// # Errors
/// When there is no such run or round, or the filter means nothing.
pub fn list(store: &Store, run: &str, args: &ListArgs, order: Order) -> CliResult<Listed> {
    let run = store.find_run(run)?.id;
    let filter = args.filter.as_deref().unwrap_or_default();
    Ok(samples::list(store, &run, args.round, filter, order)?)
}

/// Prints the pairs.
///
/// # Errors
/// As [`list`].
pub fn run(context: &Context, args: &SamplesArgs) -> CliResult {
    let store = context.store_to_read()?;
    let list = SampleList {
        run: store.find_run(&args.run)?.id,
        round: args.list.round,
        filter: args.list.filter.clone().unwrap_or_default(),
        order: args.queue.map_or_else(|| args.order.into(), Order::from),
        offset: args.offset,
        limit: args.limit,
        shows_gold: args.gold,
    };
    let samples = list.read(&store)?;
    let (form, summary) = (args.form.form(), samples.summary());
    print_text(&samples.text(form, context.ascii)?)?;
    if form != Form::Json {
        context.say(&summary);
    }
    Ok(())
}
