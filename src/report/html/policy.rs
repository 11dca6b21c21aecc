//! The part of a page that only policies have: evaluations, verdicts, signs of trouble, answers to read.

use std::fmt::Write as _;

use crate::analysis::judging::GameTexts;
use crate::analysis::{ComparedRun, Comparison};
use crate::domain::policy::best_of::Measured;
use crate::domain::policy::record::{PolicyEvaluation, RolloutAnswer};
use crate::domain::text::words;
use crate::report::curve::CurvePoint;
use crate::report::listing::policy::{Matrix, PolicyReport};
use crate::report::story::of_policy;

use super::chart::{Range, Series, curves, sign};
use super::element::{NONE, card, count, line, maybe, table, text};
use super::parts::{RunPart, figures};
use super::run;

/// What the page shows of a policy.
#[derive(Debug, Clone)]
pub struct PolicyPart {
    pub report: PolicyReport,
    /// Some held-out prompts with the policy's answer and its reference's.
    pub answers: Vec<GameTexts>,
}

/// Everything about a policy run.
pub fn page(
    comparison: &Comparison,
    run: &ComparedRun,
    part: &RunPart,
    policy: &PolicyPart,
) -> String {
    let mut out = format!("<h1>{}</h1>\n", line(&run.row.name));
    out.push_str(&run::lead(run, part));
    out.push_str(&of_one(policy));
    out.push_str(&run::settings(comparison));
    out
}

/// Policies beside each other: who wins how often, then each by itself.
pub fn side_by_side(matrix: &Matrix, policies: &[&PolicyPart]) -> String {
    let mut out = format!("<h1>{} policies side by side</h1>\n", policies.len());
    out.push_str("<h2>How often the row wins against the column</h2>\n");
    let columns: Vec<String> = (1..=matrix.names.len()).map(|n| n.to_string()).collect();
    let heads = columns.iter().map(|name| (name.as_str(), true));
    let heads: Vec<(&str, bool)> = std::iter::once(("policy", false)).chain(heads).collect();
    let rows = matrix.names.iter().zip(&matrix.rates).zip(1..).map(|((name, rates), n)| {
        let rates = rates.iter().map(|rate| {
            maybe(*rate, |it| {
                let interval = it.rate.interval;
                let share = words::percent(it.rate.share);
                format!("{share} [{}]", ends(interval.low * 100.0, interval.high * 100.0, 1))
            })
        });
        std::iter::once(format!("{n} {name}")).chain(rates).collect::<Vec<String>>()
    });
    out.push_str(&table(&heads, &rows.collect::<Vec<_>>()));
    out.push_str(
        "<p>On the held-out prompts that both answered, ties as halves, with 95 % intervals; the last row is \
         the reference of each policy.</p>\n",
    );
    if matrix.has_several_judges() {
        out.push_str("<p>Policies with different judges have no rate: their scores have no common scale.</p>\n");
    }
    for policy in policies {
        let _ = writeln!(out, "<h1>{}</h1>", line(&policy.report.run.name));
        out.push_str(&of_one(policy));
    }
    out
}

fn of_one(policy: &PolicyPart) -> String {
    let report = &policy.report;
    let mut out = cards(report);
    for sentence in sentences(report) {
        let _ = writeln!(out, "<p>{}</p>", line(&sentence));
    }
    out.push_str("<h2>Evaluations on held-out prompts</h2>\n");
    let legend = if report.outcome.best_of.is_empty() {
        String::new()
    } else {
        format!("<li>{}the best of n answers of the reference</li>", sign(2))
    };
    let _ = writeln!(
        out,
        "<ul class=\"legend\"><li>{}reward, which it is trained for</li><li>{}gold, which it is not trained \
         for</li>{legend}</ul>",
        sign(0),
        sign(1),
    );
    out.push_str(&charts(report));
    out.push_str(&evaluations(report));
    out.push_str(&signs(report));
    out.push_str(&best_of(report));
    out.push_str(&answers(policy));
    out
}

fn cards(report: &PolicyReport) -> String {
    let mut out = String::from("<div class=\"cards\">");
    let step = report.judged_step();
    let found = report.evaluations.iter().find(|row| row.step == step);
    let mut add = |measured: Option<&Measured>, what: &str| {
        if let Some(it) = measured {
            let what = format!("{what}, step {step}");
            out.push_str(&card(&format!("{:.3}", it.mean), &what, &interval(it)));
        }
    };
    if let Some(row) = found {
        add(row.evaluation.proxy.as_ref(), "reward");
        add(row.evaluation.gold.as_ref(), "gold");
        add(row.evaluation.divergence.as_ref(), "nats from the reference");
    }
    if let Some(verdict) = &report.outcome.verdict {
        let rate = verdict.win_rate.rate;
        let (low, high) = (rate.interval.low * 100.0, rate.interval.high * 100.0);
        let detail = format!("[{}] by {}", ends(low, high, 1), verdict.judge);
        out.push_str(&card(&words::percent(rate.share), "wins against the reference", &detail));
    }
    out + "</div>\n"
}

/// The verdicts of judge and people.
fn sentences(report: &PolicyReport) -> Vec<String> {
    let mut found: Vec<String> = report.outcome.verdict.iter().map(of_policy::judged).collect();
    let restored = report.outcome.restored_to;
    found.extend(restored.map(|step| format!("its weights are those of step {step} again")));
    found.extend(report.people.iter().map(of_policy::judged_by_people));
    // Sentences of a log begin small.
    let capital = |words: String| {
        let mut letters = words.chars();
        let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
        format!("{}{}.", first.unwrap_or_default(), letters.as_str())
    };
    found.into_iter().map(capital).collect()
}

fn ends(low: f64, high: f64, digits: usize) -> String {
    format!("{low:.digits$}, {high:.digits$}")
}

fn interval(measured: &Measured) -> String {
    measured.interval.map_or(String::new(), |it| format!("[{}]", ends(it.low, it.high, 3)))
}

fn with_interval(measured: &Measured) -> String {
    format!("{:.3} {}", measured.mean, interval(measured)).trim_end().to_owned()
}

fn charts(report: &PolicyReport) -> String {
    type Of = fn(&PolicyEvaluation) -> Option<Measured>;
    let (reward, gold): (Of, Of) = (|it| it.proxy, |it| it.gold);
    let by_step = |of: Of, style| {
        let rows = report.evaluations.iter();
        let points =
            rows.filter_map(|row| point(row.step, f64::from(row.step), &of(&row.evaluation)?));
        Series { points: points.collect(), style }
    };
    let by_divergence = |of: Of, style| {
        let rows = report.evaluations.iter();
        let points = rows.filter_map(|row| {
            // Estimated from samples, it can lie a little below 0.
            let x = row.evaluation.divergence?.mean.max(0.0);
            point(row.step, x, &of(&row.evaluation)?)
        });
        Series { points: points.collect(), style }
    };
    let best = |of: fn(&crate::domain::policy::best_of::Point) -> Option<Measured>| {
        let points = report.outcome.best_of.iter();
        let points = points.filter_map(|it| point(it.n as u32, it.kl, &of(it)?));
        Series { points: points.collect(), style: 2 }
    };
    let draw = |title, axis, series: Vec<Series>| {
        let drawn: Vec<Series> = series.into_iter().filter(|it| !it.points.is_empty()).collect();
        curves(title, axis, &drawn, Range::Values)
    };
    figures(&[
        (draw("Reward", "step", vec![by_step(reward, 0)]), "With 95 % intervals over prompts."),
        (
            draw("Gold", "step", vec![by_step(gold, 1)]),
            "Where gold falls while the reward rises, the reward is over-optimized.",
        ),
        (
            draw(
                "Reward",
                "divergence, nats",
                vec![by_divergence(reward, 0), best(|it| Some(it.proxy))],
            ),
            if report.outcome.best_of.is_empty() {
                ""
            } else {
                "What the same distance from the reference brings without any training."
            },
        ),
        (
            draw("Gold", "divergence, nats", vec![by_divergence(gold, 1), best(|it| it.gold)]),
            "The same by the judge.",
        ),
    ])
}

fn point(round: u32, x: f64, measured: &Measured) -> Option<CurvePoint> {
    let interval = measured.interval.map(|it| (it.low, it.high));
    let is_drawn = x.is_finite() && measured.mean.is_finite();
    is_drawn.then_some(CurvePoint { round, x, y: measured.mean, interval })
}

fn evaluations(report: &PolicyReport) -> String {
    let columns = [
        ("step", true),
        ("reward [95 %]", true),
        ("gold [95 %]", true),
        ("KL, nats", true),
        ("tokens", true),
        ("cut", true),
        ("prompts", true),
    ];
    let rows = report.evaluations.iter().map(|row| {
        let it = &row.evaluation;
        vec![
            row.step.to_string(),
            maybe(it.proxy.as_ref(), with_interval),
            maybe(it.gold.as_ref(), with_interval),
            maybe(it.divergence, |it| of_policy::nats(it.mean)),
            format!("{:.1}", it.length.mean),
            words::percent(it.clipped_ratio),
            count(it.n_prompts),
        ]
    });
    table(&columns, &rows.collect::<Vec<_>>())
}

fn signs(report: &PolicyReport) -> String {
    let mut out = String::from("<h2>Signs of trouble</h2>\n");
    if report.signs.is_empty() {
        return out + "<p>None was seen.</p>\n";
    }
    let columns = [("sign", false), ("steps", false), ("what was seen last", false)];
    let rows = report.signs.iter().map(|sign| {
        let steps = format!("{} to {}", sign.first_step, sign.last_step);
        vec![sign.sign.told().to_owned(), steps, sign.message.clone()]
    });
    out.push_str(&table(&columns, &rows.collect::<Vec<_>>()));
    out
}

fn best_of(report: &PolicyReport) -> String {
    let curve = &report.outcome.best_of;
    let Some(last) = curve.last() else { return String::new() };
    let columns = [
        ("best of", true),
        ("KL, nats", true),
        ("reward [95 %]", true),
        ("gold [95 %]", true),
        ("wins against one [95 %]", true),
    ];
    let shown = curve.iter().filter(|it| it.n.is_power_of_two() || it.n == last.n);
    let rows = shown.map(|it| {
        vec![
            it.n.to_string(),
            of_policy::nats(it.kl),
            with_interval(&it.proxy),
            maybe(it.gold.as_ref(), with_interval),
            maybe(it.win_rate, |it| of_policy::share(&it.rate)),
        ]
    });
    let rows = table(&columns, &rows.collect::<Vec<_>>());
    format!("<h2>The best of n answers before the first step</h2>\n{rows}")
}

fn answers(policy: &PolicyPart) -> String {
    if policy.answers.is_empty() {
        return String::new();
    }
    let step = policy.report.judged_step();
    let mut out = format!(
        "<h2>Rollouts</h2>\n<p>{} held-out prompts, drawn at random, with the answer after step {step} and \
         that of the reference.</p>\n",
        policy.answers.len()
    );
    for game in &policy.answers {
        let own = answer(&format!("after step {step}"), &game.own, " chosen");
        let other = answer("reference", &game.other, "");
        let _ = write!(
            out,
            "<article><header>prompt {}</header>\n<div class=\"text\">{}</div>\n\
             <div class=\"answers\">{own}{other}</div></article>\n",
            game.pair,
            text(game.prompt.trim())
        );
    }
    out
}

fn answer(name: &str, answer: &RolloutAnswer, class: &str) -> String {
    let number = |what: &str, value: Option<f64>| value.map(|it| format!("{what} {it:.2}"));
    let mut facts: Vec<String> = number("reward", answer.reward).into_iter().collect();
    facts.extend(number("gold", answer.gold));
    facts.push(format!("{} tokens", answer.n_tokens));
    facts.extend((!answer.has_end).then(|| "cut".to_owned()));
    let words = if answer.text.trim().is_empty() { NONE } else { answer.text.trim() };
    format!(
        "<div class=\"text{class}\"><b>{}</b> <span class=\"soft\">{}</span>\n{}</div>",
        line(name),
        line(&facts.join(" · ")),
        text(words)
    )
}
