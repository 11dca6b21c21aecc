//! What a run is doing now, in one line.

use ratatui::text::{Line, Span};

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
    let round = format!(" · round {} of {}", row.round, row.rounds_max);
    let plain = |words: String| Line::from(vec![head.clone(), Span::raw(words)]);
    match condition {
        Condition::Queued => plain(" · waits for a free slot".to_owned()),
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
            let forms = [
                " · waits for you: 3 shows the pairs, p releases them",
                " · waits for you: 3 shows, p releases",
                " · p releases",
            ];
            let fits = |words: &&&str| text::width(words) <= room;
            plain(format!("{round}{}", forms.iter().find(fits).unwrap_or(&forms[2])))
        }
        Condition::Running | Condition::Silent | Condition::Paused => {
            let mut spans = vec![head.clone(), Span::raw(round)];
            let used: usize = spans.iter().map(Span::width).sum();
            spans.extend(step_spans(theme, row, width.saturating_sub(used)));
            Line::from(spans)
        }
    }
}

/// ` · train ▕████▊   ▏ 61% · 4m08s left`, as much as fits.
fn step_spans(theme: &Theme, row: &RunRow, width: usize) -> Vec<Span<'static>> {
    let Some(progress) = &row.progress else { return Vec::new() };
    let done = progress.n_done as f64 / progress.n_total.max(1) as f64;
    let mut after = format!(" {:.0}%", done * 100.0);
    if progress.n_done > 0 && progress.n_done < progress.n_total {
        let left = progress.elapsed_ms as f64 * (1.0 - done) / done;
        after = format!("{after} · {} left", text::coarse(left as u64));
    }
    let before = format!(" · {} ", progress.step);
    let room = width.saturating_sub(text::width(&before) + text::width(&after));
    let bar = if room >= 6 { gauge(done, room.min(24)) } else { String::new() };
    vec![Span::raw(before), Span::styled(bar, theme.main), Span::raw(after)]
}

/// Worker, speed and what the latest selection came to.
pub fn worker_line(model: &Model, data: &RunData, width: usize) -> Line<'static> {
    let row = &data.detail.row;
    let mut parts = Vec::new();
    if let Some(worker) = data.detail.worker.as_ref().filter(|_| Condition::of(row).has_worker()) {
        let beat = data.detail.heartbeat_at_ms.map(|at| text::age(at, model.now_ms));
        parts.push(format!("worker {} ♥ {}", worker.pid, beat.unwrap_or("–".to_owned())));
    }
    if let Some(progress) = row.progress.as_ref().filter(|p| p.elapsed_ms > 0 && p.n_tokens > 0) {
        if Condition::of(row) == Condition::Running {
            let per_second = progress.n_tokens * 1000 / progress.elapsed_ms;
            parts.push(format!("{} tokens/s", text::count(text::two_digits(per_second))));
        }
        parts.push(format!("step {}/{}", progress.n_done, progress.n_total));
    }
    if let Some(resources) = &data.resources {
        let cores = resources.n_cores.map_or(String::new(), |n| format!(" · {n:.1} cores"));
        parts.push(format!("{}{cores}", words::size(resources.memory_bytes)));
    }
    if let Some(left) = time_left_ms(data) {
        parts.push(format!("ends in ~{}", text::rough(left)));
    }
    if row.n_vetoed > 0 {
        parts.push(format!("{} vetoed", text::count(row.n_vetoed)));
    }
    if let Some(sizes) = &data.detail.sizes {
        // The seed set, and what people have judged since.
        let spent = data.rounds.iter().rev().find_map(|round| round.n_labels_spent);
        parts.push(format!(
            "human labels {} · pool {}",
            text::count(spent.unwrap_or(sizes.n_seed_set + sizes.n_validation)),
            text::count(sizes.n_unlabeled_pool)
        ));
    }
    // Whole facts or none: the last ones give way on a narrow terminal.
    while text::width(&parts.join(" · ")) > width && parts.pop().is_some() {}
    Line::styled(parts.join(" · "), model.theme.dim)
}

/// What the rounds to come will take if they take what complete ones took, milliseconds.
fn time_left_ms(data: &RunData) -> Option<u64> {
    let row = &data.detail.row;
    if Condition::of(row) != Condition::Running {
        return None;
    }
    // Round 0 scores no pool: it says less about the others than any of them.
    let known = |first: u32| {
        let complete = data.rounds.iter().filter(|round| round.round >= first);
        let times: Vec<u64> = complete.filter_map(|round| round.wall_ms).collect();
        times.iter().sum::<u64>().checked_div(times.len() as u64)
    };
    let mean = known(1).or_else(|| known(0))?;
    let n_whole = row.rounds_max.saturating_sub(row.round);
    let step_left = row
        .progress
        .as_ref()
        .filter(|p| p.n_done > 0)
        .map_or(0, |p| p.elapsed_ms * p.n_total.saturating_sub(p.n_done) / p.n_done);
    Some(mean * u64::from(n_whole) + step_left)
}
