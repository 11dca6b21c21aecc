//! `ser doctor`: what this installation is, and what is wrong with it.

use serde::Serialize;

use super::{CliError, CliResult, Context};
use crate::cli::print::{print_json, print_line};
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::engine::files::checkpoint;
use crate::report;
use crate::store::rows::RunRow;
use crate::store::{Access, Store, StoreError};
use crate::tui::Settings;

mod machine;

/// Arguments of `ser doctor`.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Fine,
    /// Worth knowing.
    Notice,
    /// Something is broken.
    Broken,
}

/// One line of the report.
#[derive(Debug, Clone, Serialize)]
struct Finding {
    subject: &'static str,
    verdict: Verdict,
    value: String,
    hint: Option<String>,
}

impl Finding {
    fn fine(subject: &'static str, value: impl Into<String>) -> Self {
        Self { subject, verdict: Verdict::Fine, value: value.into(), hint: None }
    }

    fn notice(subject: &'static str, value: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { subject, verdict: Verdict::Notice, value: value.into(), hint }
    }

    fn broken(subject: &'static str, error: &CliError) -> Self {
        let (value, hint) = (error.message.clone(), error.hint.clone());
        Self { subject, verdict: Verdict::Broken, value, hint }
    }
}

#[derive(Serialize)]
struct DoctorDocument<'a> {
    schema: u32,
    findings: &'a [Finding],
}

/// Looks at everything and changes nothing.
///
/// # Errors
/// When something is broken.
pub fn run(context: &Context, args: &DoctorArgs) -> CliResult {
    let mut findings = vec![Finding::fine("version", version())];
    findings.extend(machine::findings(context.home.root()));
    findings.push(settings(context));
    findings.extend(stored(context));
    if args.json {
        print_json(&DoctorDocument { schema: 1, findings: &findings })?;
    } else {
        for finding in &findings {
            print_finding(finding)?;
        }
    }
    let n_broken = findings.iter().filter(|finding| finding.verdict == Verdict::Broken).count();
    match n_broken {
        0 => Ok(()),
        1 => Err(CliError::failure("one finding needs repair")),
        n => Err(CliError::failure(format!("{n} findings need repair"))),
    }
}

fn print_finding(finding: &Finding) -> CliResult {
    let mark = match finding.verdict {
        Verdict::Fine => "ok",
        Verdict::Notice => "note",
        Verdict::Broken => "BAD",
    };
    print_line(&format!("{mark:<4}  {:<12}  {}", finding.subject, clean_line(&finding.value)))?;
    match &finding.hint {
        Some(hint) => print_line(&format!("{:20}hint: {}", "", clean_line(hint))),
        None => Ok(()),
    }
}

fn version() -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!("ser {}, {os} {arch}", env!("CARGO_PKG_VERSION"))
}

/// The config file of the interface.
fn settings(context: &Context) -> Finding {
    let path = Settings::path(&context.home);
    match Settings::load(&context.home) {
        Err(error) => Finding::broken("settings", &error.into()),
        Ok(_) if !path.exists() => {
            Finding::fine("settings", format!("{} (not there: defaults)", path.display()))
        }
        Ok(settings) => {
            let n = settings.n_remapped;
            let noun = if n == 1 { "action has its" } else { "actions have their" };
            let value = format!("{}: {n} {noun} own keys", path.display());
            Finding::fine("settings", value)
        }
    }
}

/// Database, runs and checkpoints.
fn stored(context: &Context) -> Vec<Finding> {
    let home = context.home.root().display().to_string();
    let store = match Store::open(&context.home, Access::ReadOnly) {
        Ok(store) => store,
        Err(StoreError::Missing { .. }) => {
            return vec![Finding::fine("home", format!("{home} (nothing in it yet)"))];
        }
        Err(error) => {
            let error = CliError::from(error).with_hint(
                "move `ser.db` away to start anew; run folders keep spec and checkpoints",
            );
            return vec![Finding::fine("home", home), Finding::broken("database", &error)];
        }
    };
    let mut findings = vec![Finding::fine("home", home), database(&store)];
    match store.runs() {
        Ok(runs) => {
            findings.push(Finding::fine("runs", by_state(&runs)));
            findings.extend(interrupted(&runs));
            findings.extend(runs.iter().filter_map(|run| checkpoints(context, run)));
        }
        Err(error) => findings.push(Finding::broken("runs", &error.into())),
    }
    findings
}

fn database(store: &Store) -> Finding {
    match store.health() {
        Ok(health) if health.damage.is_empty() => Finding::fine(
            "database",
            format!(
                "{}, journal mode {}, no damage",
                words::bytes(health.n_bytes),
                health.journal_mode
            ),
        ),
        Ok(health) => Finding::broken(
            "database",
            &CliError::failure(format!("damaged: {}", health.damage.join("; "))).with_hint(
                "copy the home folder, then save what can be read with `sqlite3 ser.db .recover`",
            ),
        ),
        Err(error) => Finding::broken("database", &error.into()),
    }
}

/// `3 finished, 1 interrupted`
fn by_state(runs: &[RunRow]) -> String {
    let mut counts = std::collections::BTreeMap::new();
    for run in runs {
        *counts.entry(report::status(run)).or_insert(0) += 1;
    }
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(state, n)| format!("{n} {state}")).collect::<Vec<_>>().join(", ")
}

fn interrupted(runs: &[RunRow]) -> impl Iterator<Item = Finding> + '_ {
    runs.iter().filter(|run| report::status(run) == "interrupted").map(|run| {
        let value = format!("`{}` lost its worker in round {}", run.name, run.round);
        Finding::notice("interrupted", value, format!("go on with `ser resume {}`", run.id))
    })
}

/// Whether a run that may be resumed has a complete checkpoint; `None` for other runs.
fn checkpoints(context: &Context, run: &RunRow) -> Option<Finding> {
    // A living worker may be writing a checkpoint at this moment.
    if run.liveness == crate::domain::run::Liveness::Alive {
        return None;
    }
    match checkpoint::survey(&context.home.checkpoints(&run.id)) {
        Ok(survey) if survey.damaged.is_empty() => None,
        Ok(survey) => {
            let reasons: Vec<String> =
                survey.damaged.into_iter().map(|error| CliError::from(error).message).collect();
            let hint = match &survey.latest {
                Some(path) => {
                    format!("an older one is whole and will be used: `{}`", path.display())
                }
                None => format!("no checkpoint is whole: start `{}` again", run.name),
            };
            Some(Finding::notice(
                "checkpoints",
                format!("`{}`: {}", run.name, reasons.join("; ")),
                hint,
            ))
        }
        Err(error) => Some(Finding::broken("checkpoints", &error.into())),
    }
}
