//! Experiments and their arms: what came out of runs that belong together, whatever their seed.

use std::collections::BTreeMap;

use crate::domain::run::RunId;
use crate::domain::stats::mean_with_t_interval;
use crate::store::RunRow;
use crate::tui::kit::text::share;
use crate::tui::kit::words::{Condition, facts};
use crate::tui::shell::chosen::Chosen;
use crate::tui::shell::model::Model;
use crate::tui::shell::overlay::{Choice, ChoiceItem, Overlay, Then};

/// Runs of one experiment, in the order of the list.
struct Experiment<'a> {
    name: Option<&'a str>,
    runs: Vec<&'a RunRow>,
}

/// Lists the experiments of the runs shown, each with its arms: one takes an experiment to the
/// compare screen, an arm marks its runs.
pub fn open(model: &mut Model) {
    let mut items = Vec::new();
    for experiment in experiments(model) {
        let name = experiment.name.unwrap_or("runs of no experiment");
        let runs = ids(&experiment.runs);
        items.push(ChoiceItem {
            key: None,
            label: name.to_owned(),
            detail: format!("{} · ↵ compares its arms", done(&experiment.runs)),
            then: Then::Chosen(Chosen::Arms { runs }),
        });
        for (arm, runs) in arms(&experiment.runs) {
            items.push(ChoiceItem {
                key: None,
                label: format!("  {arm}"),
                detail: format!("{} · {}", accuracy(&runs), done(&runs)),
                then: Then::Chosen(Chosen::Marks {
                    runs: ids(&runs),
                    what: format!("{arm} of {name}"),
                }),
            });
        }
    }
    let title = "experiments: mean test accuracy by arm, 95% over its seeds".to_owned();
    model.overlay = Some(Overlay::Choice(Choice { title, items, cursor: 0 }));
}

/// The experiments of the runs shown, the newest first; runs of none come last.
fn experiments(model: &Model) -> Vec<Experiment<'_>> {
    let mut found: Vec<Experiment> = Vec::new();
    let mut places = BTreeMap::new();
    for row in &model.runs.rows {
        let name = row.experiment.as_deref();
        let place = *places.entry(name).or_insert(found.len());
        if place == found.len() {
            found.push(Experiment { name, runs: Vec::new() });
        }
        found[place].runs.push(row);
    }
    let newest = |runs: &[&RunRow]| runs.iter().map(|row| row.created_at_ms).max();
    found.sort_by_key(|experiment| {
        (experiment.name.is_none(), std::cmp::Reverse(newest(&experiment.runs)))
    });
    found
}

/// The runs by arm. Runs of one arm that were given other data, models or settings shown in the list
/// are arms of their own, named after what differs.
fn arms<'a>(runs: &[&'a RunRow]) -> Vec<(String, Vec<&'a RunRow>)> {
    let mut by_arm: BTreeMap<&str, Vec<&RunRow>> = BTreeMap::new();
    for row in runs {
        by_arm.entry(&row.arm).or_default().push(row);
    }
    let mut found = Vec::new();
    for (arm, runs) in by_arm {
        let first = facts(runs[0]);
        let differs: Vec<bool> =
            (0..first.len()).map(|at| runs.iter().any(|row| facts(row)[at] != first[at])).collect();
        let name = |row: &RunRow| {
            let parts = facts(row).into_iter().zip(&differs).filter(|(_, differs)| **differs);
            let parts = parts.map(|((name, value), _)| format!(" {name} {value}"));
            format!("{arm}{}", parts.collect::<String>())
        };
        let mut groups: BTreeMap<String, Vec<&RunRow>> = BTreeMap::new();
        for row in runs {
            groups.entry(name(row)).or_default().push(row);
        }
        found.extend(groups);
    }
    found
}

fn ids(runs: &[&RunRow]) -> Vec<RunId> {
    runs.iter().map(|row| row.id.clone()).collect()
}

/// `4 of 5 runs done`
fn done(runs: &[&RunRow]) -> String {
    let n_done = runs.iter().filter(|row| Condition::of(row) == Condition::Done).count();
    let n = runs.len();
    let noun = if n == 1 { "run" } else { "runs" };
    if n_done == n { format!("{n} {noun} done") } else { format!("{n_done} of {n} {noun} done") }
}

/// `.7203 [.7101, .7305]`: the mean of the latest test accuracies with its t interval.
fn accuracy(runs: &[&RunRow]) -> String {
    let tests = runs.iter().filter_map(|row| row.latest_test.as_ref());
    let values: Vec<f64> = tests.map(|test| test.accuracy).collect();
    match mean_with_t_interval(&values) {
        None => "not tested yet".to_owned(),
        Some((mean, None)) => share(Some(mean), 4),
        Some((mean, Some(interval))) => format!(
            "{} [{}, {}]",
            share(Some(mean), 4),
            share(Some(interval.low), 4),
            share(Some(interval.high), 4)
        ),
    }
}
