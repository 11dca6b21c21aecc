//! What a run is doing now, in one line.

use ratatui::text::{Line, Span};

use super::clock::{busy_words, end_words, run_bar};
use crate::domain::run::RunKind;
use crate::store::rows::RunRow;
use crate::tui::feed::data::RunData;
use crate::tui::kit::draw::condition_style;
use crate::tui::kit::text;
use crate::tui::kit::theme::Theme;
use crate::tui::kit::widgets::gauge;
use crate::tui::kit::words;
use crate::tui::kit::words::Condition;
use crate::tui::shell::model::Model;

/// What the run does now, or why it does nothing.
pub fn progress_line(model: &Model, row: &RunRow, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let condition = Condition::of(row);
    let head = Span::styled(
        format!("{} {}", condition.glyph(), condition.word()),
        condition_style(theme, condition),
    );
    let round = format!(" · {} {} of {}", unit(row.kind), row.round, row.rounds_max);
    let plain = |words: String| Line::from(vec![head.clone(), Span::raw(words)]);
    match condition {
        Condition::Queued => plain(queue_words(model, row)),
        Condition::Failed => {
            let why = row.failure.clone().unwrap_or_default();
            plain(format!("{round} · {why}"))
        }
        Condition::Done | Condition::Stopped => {
            let why = row.stop_reason.map_or("R resumes", words::stop_reason);
            plain(format!("{round} · {why}"))
        }
        Condition::Interrupted => plain(format!("{round} · its worker is gone, R resumes")),
        Condition::Paused if row.waits_for_review() => {
            let room = width.saturating_sub(head.width() + text::width(&round));
            let forms = match row.kind {
                RunKind::Ser => [
                    " · waits for you: 3 shows the pairs, p lets it go on",
                    " · waits for you: 3 shows, p goes on",
                    " · p goes on",
                ],
                RunKind::Policy => [
                    " · waits for you: 6 shows the answers, p lets it go on",
                    " · waits for you: p goes on",
                    " · p goes on",
                ],
            };
            let fits = |words: &&&str| text::width(words) <= room;
            plain(format!("{round}{}", forms.iter().find(fits).unwrap_or(&forms[2])))
        }
        Condition::Paused if row.pause.as_ref().is_some_and(|pause| pause.waits_for_slot) => {
            plain(format!("{round} · goes on when a slot is free{}", behind(model, row)))
        }
        Condition::Running | Condition::Silent | Condition::Paused => {
            let mut spans =
                vec![head.clone(), Span::raw(pause_words(model, row)), Span::raw(round)];
            let used: usize = spans.iter().map(Span::width).sum();
            spans.extend(step_spans(theme, row, width.saturating_sub(used)));
            Line::from(spans)
        }
    }
}

/// What a run of a kind counts.
pub fn unit(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Ser => "round",
        RunKind::Policy => "step",
    }
}

/// ` · 2 of 5 · behind gate1`: its place, and who has the slots it waits for.
fn queue_words(model: &Model, row: &RunRow) -> String {
    let n_queued = model.runs.all().filter(|run| run.queue_place.is_some()).count();
    let place = row.queue_place.map_or(String::new(), |place| format!(" · {place} of {n_queued}"));
    let behind = behind(model, row);
    let waits = if behind.is_empty() { " · waits for a free slot" } else { "" };
    format!("{place}{waits}{behind} · ! moves or starts it")
}

fn behind(model: &Model, row: &RunRow) -> String {
    let others = row.waits_behind(model.runs.all());
    let names: Vec<&str> = others.iter().map(|other| other.name.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(" · behind {}", names.join(", ")) }
}

/// ` 4m ago by ana`: since when a person has held the run, and who.
fn pause_words(model: &Model, row: &RunRow) -> String {
    let Some(pause) = &row.pause else { return String::new() };
    let by = pause.by.as_ref().map_or(String::new(), |name| format!(" by {name}"));
    format!(" {} ago{by}", text::age(pause.since_ms, model.now_ms))
}

/// ` · fold 2 of 3 trains ▕████▊   ▏ 61%`, as much as fits.
fn step_spans(theme: &Theme, row: &RunRow, width: usize) -> Vec<Span<'static>> {
    let Some(progress) = &row.progress else { return Vec::new() };
    let before = format!(" · {} ", progress.words());
    // What comes in one piece has no share.
    if progress.n_total <= 1 {
        return vec![Span::raw(before)];
    }
    let done = progress.n_done as f64 / progress.n_total as f64;
    let after = format!(" {:.0}%", done * 100.0);
    let room = width.saturating_sub(text::width(&before) + text::width(&after));
    let bar = if room >= 6 { gauge(done, room.min(12)) } else { String::new() };
    vec![Span::raw(before), Span::styled(bar, theme.main), Span::raw(after)]
}

/// How far the run is, its end, speed and worker, and what the latest selection came to.
pub fn worker_line(model: &Model, data: &RunData, width: usize) -> Line<'static> {
    let bar = data.forecast.as_ref().filter(|_| Condition::of(&data.detail.row).has_worker());
    let mut spans: Vec<Span<'static>> = Vec::new();
    if let Some(forecast) = bar {
        spans.extend(run_bar(model, forecast));
        spans.push(Span::raw(" "));
    }
    let room = width.saturating_sub(spans.iter().map(Span::width).sum());
    let mut parts = facts(model, data);
    // Whole facts or none: the last ones give way on a narrow terminal.
    while text::width(&parts.join(" · ")) > room && parts.pop().is_some() {}
    spans.push(Span::styled(parts.join(" · "), model.theme.dim));
    Line::from(spans)
}

/// What a line tells of a run and its worker, the most important first.
fn facts(model: &Model, data: &RunData) -> Vec<String> {
    let row = &data.detail.row;
    let condition = Condition::of(row);
    let mut parts: Vec<String> = end_words(model, data).into_iter().collect();
    parts.extend(busy_words(data));
    let progress = row.progress.as_deref().filter(|_| condition == Condition::Running);
    if let Some(progress) = progress.filter(|it| it.elapsed_ms > 0 && it.n_tokens > 0) {
        let per_second = progress.n_tokens * 1000 / progress.elapsed_ms;
        parts.push(format!("{} tokens/s", text::count(text::two_digits(per_second))));
    }
    if let Some(worker) = data.detail.worker.as_ref().filter(|_| condition.has_worker()) {
        let beat = data.detail.heartbeat_at_ms.map(|at| text::age(at, model.now_ms));
        parts.push(format!("worker {} ♥ {}", worker.pid, beat.unwrap_or("–".to_owned())));
    }
    if let Some(resources) = &data.resources {
        let cores = resources.n_cores.map_or(String::new(), |n| format!(" · {n:.1} cores"));
        parts.push(format!("{}{cores}", words::size(resources.memory_bytes)));
    }
    if row.n_vetoed > 0 {
        parts.push(format!("{} vetoed", text::count(row.n_vetoed)));
    }
    let is_ser = row.kind == RunKind::Ser;
    if let Some(progress) = row.progress.as_ref().filter(|p| is_ser && p.n_total > 1) {
        parts.push(format!("step {}/{}", progress.n_done, progress.n_total));
    }
    if let Some(policy) = data.spec.as_ref().and_then(|spec| spec.policy.as_deref()) {
        let (reward, gold) = (&policy.reward, &policy.gold);
        let objective = policy.objective.name();
        parts.push(format!("{objective} · reward {reward} · gold {gold}"));
    }
    if let Some(sizes) = data.detail.sizes.as_ref().filter(|_| is_ser) {
        // The seed set, and what people have judged since.
        let spent = data.rounds.iter().rev().find_map(|round| round.n_labels_spent);
        parts.push(format!(
            "human labels {} · pool {}",
            text::count(spent.unwrap_or(sizes.n_seed_set + sizes.n_validation)),
            text::count(sizes.n_unlabeled_pool)
        ));
    }
    parts
}
