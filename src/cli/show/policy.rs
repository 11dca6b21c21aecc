//! `ser policy RUN…`: what a policy run measured, or who wins against whom.

use crate::cli::print::{FormArgs, print_line, print_table, print_text};
use crate::cli::{CliError, CliResult, Context};
use crate::domain::run::RunKind;
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::report::listing::policy::{Matrix, PolicyReport};
use crate::report::story::of_policy;
use crate::report::table::Form;
use crate::store::policy::PolicyEvaluationRow;

/// Arguments of `ser policy`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A policy is started with `ser run --from RUN --policy OBJECTIVE`. `reward` is what it is \
    trained for, `gold` what the judge says that it is not trained for; intervals (95 %) are over the held-out \
    prompts. Held-out answers are sampled as in training, with the same draws after every step. KL is the divergence of an answer from the reference in nats. With several runs: how often the \
    policy of a row wins against that of a column, ties as halves, on the held-out prompts that both answered; \
    the last column is each policy's own reference. \
    People judge blind on the policy screen of the viewer (6, then b); what they said stands below."
)]
pub struct PolicyArgs {
    /// Policy runs: id, unique prefix of an id, or name
    #[arg(required = true, num_args = 1..=11, value_name = "RUN")]
    runs: Vec<String>,
    /// Every step with its metrics, by the names that TRL gives them
    #[arg(long, conflicts_with = "best_of")]
    steps: bool,
    /// What the best of n answers of the policy before its first step is worth
    #[arg(long)]
    best_of: bool,
    #[command(flatten)]
    form: FormArgs,
}

/// Prints evaluations, steps, the best-of-n curve or the win rates.
///
/// # Errors
/// When there is no such run, or it is no policy.
pub fn run(context: &Context, args: &PolicyArgs) -> CliResult {
    let store = context.store_to_read()?;
    let mut reports = Vec::with_capacity(args.runs.len());
    for name in &args.runs {
        let run = store.find_run(name)?;
        if run.kind != RunKind::Policy {
            let hint = format!("`ser run --from {} --policy rloo` trains one with it", run.id);
            return Err(CliError::input(format!("`{}` is no policy run", run.name)).with_hint(hint));
        }
        reports.push(PolicyReport::read(&store, run)?);
    }
    let form = args.form.form();
    let [report] = reports.as_slice() else {
        if args.steps || args.best_of {
            return Err(CliError::input("`--steps` and `--best-of` are about one run"));
        }
        let matrix = Matrix::read(&store, &reports)?;
        if form == Form::Json {
            return print_text(&matrix.json()?);
        }
        if matrix.has_several_judges() {
            context.say(
                "note: policies with different judges (`policy.gold`) have no rate: their scores have no \
                 common scale",
            );
        }
        let table = matrix.table(&Matrix::columns(matrix.names.len()));
        return print_table(&table, form, context.ascii);
    };
    if form == Form::Json {
        return print_text(&report.json()?);
    }
    if args.steps {
        return print_table(&report.steps(), form, context.ascii);
    }
    if args.best_of {
        return print_table(&report.best_of(), form, context.ascii);
    }
    if form != Form::Human {
        return print_table(&report.evaluations(), form, context.ascii);
    }
    print(context, report)
}

/// Prints evaluations, signs and verdict for people.
///
/// # Errors
/// When standard output cannot be written.
pub fn print(context: &Context, report: &PolicyReport) -> CliResult {
    print_table(&report.evaluations(), Form::Human, context.ascii)?;
    let run = &report.run;
    let steps = words::count(u64::from(run.round));
    context.say(&format!("{}: step {steps} of {}", run.name, run.rounds_max));
    for PolicyEvaluationRow { step, evaluation } in &report.evaluations {
        if let Some(partial) = of_policy::partial(evaluation) {
            print_line(&format!("after step {step} {partial}"))?;
        }
    }
    for sign in &report.signs {
        print_line(&format!("{} (step {}): {}", sign.sign.told(), sign.last_step, sign.message))?;
    }
    if let Some(verdict) = &report.outcome.verdict {
        print_line(&of_policy::judged(verdict))?;
    }
    for verdict in &report.people {
        print_line(&clean_line(&of_policy::judged_by_people(verdict)))?;
    }
    Ok(())
}
