//! `ser rollouts RUN`: the answers of a policy, to read, to search and to take out of its batches.

use clap::ValueEnum;

use crate::cli::print::{print_line, print_text};
use crate::cli::{CliError, CliResult, Context};
use crate::domain::policy::veto::RolloutKey;
use crate::domain::run::{RunKind, RunStatus};
use crate::domain::text::clean::clean_line;
use crate::report::listing::rollouts::{self, Order};
use crate::store::Store;
use crate::store::policy::{Rollout, RolloutsOf};
use crate::store::rows::RunRow;

/// Arguments of `ser rollouts`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A veto of a prompt holds from the next step on. A veto of an answer holds while its step \
    waits at the gate (`review.mode = \"gate\"`), before it is learned from.\n\n\
    All of them as one file: ser export RUN --format parquet -o rollouts.parquet (or jsonl, csv)"
)]
pub struct RolloutsArgs {
    /// A policy run: id, unique prefix of an id, or name
    run: String,
    /// The answers that this step learned from [default: the latest]
    #[arg(long, value_name = "N", conflicts_with_all = ["evaluation", "all"])]
    step: Option<u32>,
    /// The answers to the held-out prompts after so many steps; 0 are the reference's
    #[arg(long, value_name = "N", conflicts_with = "all")]
    evaluation: Option<u32>,
    /// The answers of every step
    #[arg(long)]
    all: bool,
    /// In which order the prompts are listed
    #[arg(long, value_enum, default_value_t = OrderName::Asked, value_name = "ORDER")]
    order: OrderName,
    /// Only prompts that hold this text, or have an answer that does
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// List at most so many prompts of a step
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Take a prompt (`PAIR`) or an answer of the step (`PAIR:ANSWER`) out of the batches
    #[arg(long, value_name = "PAIR[:ANSWER]", conflicts_with_all = ["all", "evaluation"])]
    veto: Vec<String>,
    /// Lift such a veto
    #[arg(long, value_name = "PAIR[:ANSWER]", conflicts_with_all = ["all", "evaluation"])]
    allow: Vec<String>,
    /// Print a JSON object for each answer
    #[arg(long)]
    json: bool,
}

/// `--order`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OrderName {
    /// As they were asked
    Asked,
    /// The highest reward first
    Reward,
    /// The largest difference between the rewards of two answers first
    Gap,
    /// The longest answer first
    Length,
}

impl From<OrderName> for Order {
    fn from(name: OrderName) -> Self {
        match name {
            OrderName::Asked => Self::Asked,
            OrderName::Reward => Self::Reward,
            OrderName::Gap => Self::Gap,
            OrderName::Length => Self::Length,
        }
    }
}

/// Prints the answers, or decides about them.
///
/// # Errors
/// When there is no such run, step, prompt or answer.
pub fn run(context: &Context, args: &RolloutsArgs) -> CliResult {
    let store = context.store_to_read()?;
    let run = store.find_run(&args.run)?;
    if run.kind != RunKind::Policy {
        return Err(CliError::input(format!(
            "`{}` is no policy run, so it has no rollouts",
            run.name
        ))
        .with_hint(format!("`ser samples {}` lists its pairs", run.id)));
    }
    let asked = asked(&store, &run, args)?;
    if !(args.veto.is_empty() && args.allow.is_empty()) {
        return decide(context, &store, (&run, asked[0]), args);
    }
    for of in asked {
        let mut found = store.rollouts(&run.id, of)?;
        rollouts::sort(&mut found, args.order.into());
        let search = args.search.as_deref().unwrap_or_default();
        found.retain(|it| rollouts::holds(it, search));
        found.truncate(args.limit.unwrap_or(usize::MAX));
        for rollout in &found {
            print(of, rollout, args.json)?;
        }
    }
    Ok(())
}

/// Which answers are meant; never none.
fn asked(store: &Store, run: &RunRow, args: &RolloutsArgs) -> CliResult<Vec<RolloutsOf>> {
    let (name, id) = (&run.name, &run.id);
    if let Some(wanted) = args.evaluation {
        let known = store.policy_evaluations(id)?;
        if known.iter().all(|it| it.step != wanted) {
            let steps: Vec<String> = known.iter().map(|it| it.step.to_string()).collect();
            return Err(CliError::input(format!("`{name}` was not evaluated after step {wanted}"))
                .with_hint(if steps.is_empty() {
                    "it was not evaluated yet".to_owned()
                } else {
                    format!("it was after: {}", steps.join(", "))
                }));
        }
        return Ok(vec![RolloutsOf::Evaluation(wanted)]);
    }
    let steps = store.policy_steps(id)?;
    let known: Vec<u32> = steps.iter().filter(|it| it.has_rollouts).map(|it| it.step).collect();
    let Some(last) = known.last().copied() else {
        return Err(CliError::input(format!("`{name}` has no rollouts"))
            .with_hint("`--evaluation 0` has the answers of its reference, once they are there"));
    };
    if args.all {
        return Ok(known.into_iter().map(RolloutsOf::Step).collect());
    }
    let step = args.step.unwrap_or(last);
    if !known.contains(&step) {
        return Err(CliError::input(format!("`{name}` has no rollouts of step {step}"))
            .with_hint(format!("the latest are those of step {last}")));
    }
    Ok(vec![RolloutsOf::Step(step)])
}

fn print(of: RolloutsOf, rollout: &Rollout, as_json: bool) -> CliResult {
    if as_json {
        for (number, answer) in rollout.answers.iter().enumerate() {
            print_line(&rollouts::record(of, rollout, number, answer).to_string())?;
        }
        return Ok(());
    }
    let vetoed = if rollout.is_prompt_vetoed { " (vetoed)" } else { "" };
    let mut out = format!("pair {}{vetoed}: {}\n", rollout.pair.0, clean_line(&rollout.prompt));
    for (number, answer) in rollout.answers.iter().enumerate() {
        let mut facts = Vec::new();
        facts.extend(answer.reward.map(|it| format!("reward {it:.3}")));
        facts.extend(answer.gold.map(|it| format!("gold {it:.3}")));
        facts.extend(answer.advantage.map(|it| format!("advantage {it:+.3}")));
        facts.push(format!("{} tokens", answer.n_tokens));
        facts.extend((!answer.has_end).then(|| "cut".to_owned()));
        let is_vetoed = answer.is_vetoed || rollout.vetoed.get(number).is_some_and(|it| *it);
        facts.extend(is_vetoed.then(|| "vetoed".to_owned()));
        let facts = facts.join(", ");
        out.extend([&format!("  {number}  [{facts}] "), clean_line(&answer.text).as_str(), "\n"]);
    }
    print_text(&out)
}

fn decide(
    context: &Context,
    store: &Store,
    (run, of): (&RunRow, RolloutsOf),
    args: &RolloutsArgs,
) -> CliResult {
    if run.status == RunStatus::Finished {
        let message =
            format!("`{}` is done: no step comes that could leave an answer out", run.name);
        return Err(CliError::input(message).with_hint(format!(
            "`ser run --from {} --policy …` trains another, whose gate (`review.mode=gate`) takes vetoes",
            run.id
        )));
    }
    let rollouts = store.rollouts(&run.id, of)?;
    let step = match of {
        RolloutsOf::Step(step) | RolloutsOf::Evaluation(step) => step,
    };
    let mut keys = Vec::new();
    for (words, is_veto) in [(&args.veto, true), (&args.allow, false)] {
        for word in words {
            keys.push((key(word, step, &rollouts)?, is_veto));
        }
    }
    let reviewer = context.reviewer()?;
    let mut store = context.store_to_write("rollouts")?;
    for (key, is_veto) in keys {
        store.veto_rollout(&run.id, key, is_veto, Some(&reviewer))?;
    }
    let n = args.veto.len() + args.allow.len();
    context.say(&format!("{n} decided by {reviewer}"));
    Ok(())
}

fn key(word: &str, step: u32, rollouts: &[Rollout]) -> CliResult<RolloutKey> {
    let malformed = || {
        CliError::input(format!("`{word}` is neither a pair nor `PAIR:ANSWER`"))
            .with_hint("write for example `--veto 12` or `--veto 12:1`")
    };
    let (pair, answer) = match word.split_once(':') {
        Some((pair, answer)) => (pair, Some(answer.parse().map_err(|_| malformed())?)),
        None => (word, None),
    };
    let pair: u32 = pair.parse().map_err(|_| malformed())?;
    let known = rollouts.iter().find(|it| it.pair.0 == pair);
    let has = |answer: u32| known.is_some_and(|it| (answer as usize) < it.answers.len());
    if known.is_none() || answer.is_some_and(|answer| !has(answer)) {
        return Err(CliError::input(format!("step {step} has no rollout `{word}`"))
            .with_hint("`ser rollouts RUN --step N` lists pairs and answers"));
    }
    Ok(RolloutKey { pair, answer: answer.map(|answer| (step, answer)) })
}
