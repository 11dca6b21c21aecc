//! How far a run is and when it will end, as a bar and words.

use ratatui::text::Span;

use crate::domain::forecast::Forecast;
use crate::domain::text::words::ends_between;
use crate::tui::feed::data::RunData;
use crate::tui::kit::widgets::marked_gauge;
use crate::tui::kit::words::Condition;
use crate::tui::shell::model::Model;

/// Columns of the bar of a run, its ends included.
const N_BAR: usize = 22;

/// `▕███▌  │    │   ▏ 31%` with a mark where each round ends.
pub fn run_bar(model: &Model, forecast: &Forecast) -> [Span<'static>; 2] {
    let bar = marked_gauge(forecast.done, &forecast.rounds, N_BAR);
    let share = format!(" {:.0}%", forecast.done * 100.0);
    [Span::styled(bar, model.theme.main), Span::styled(share, model.theme.text)]
}

/// `ends 23:52–23:58`, where the run is at work and its end can be foretold.
pub fn end_words(model: &Model, data: &RunData) -> Option<String> {
    let row = &data.detail.row;
    if Condition::of(row) != Condition::Running {
        return None;
    }
    let forecast = data.forecast.as_ref()?;
    let [least, _, most] = forecast.left_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX / 2));
    let from = row.progress.as_ref().map_or(model.now_ms, |progress| progress.at_ms);
    // A worker that is late makes no end come before now.
    let [least, most] = [least, most].map(|left| from.saturating_add(left).max(model.now_ms));
    Some(ends_between(least, most, model.now_ms, model.utc_offset_s))
}

/// `busy machine: 0.3 of 2 cores`, where other programs slow the worker down.
pub fn busy_words(data: &RunData) -> Option<String> {
    if Condition::of(&data.detail.row) != Condition::Running {
        return None;
    }
    let resources = data.resources.as_ref().filter(|it| it.is_machine_busy())?;
    let n_cores = resources.n_cores?;
    Some(format!("busy machine: {n_cores:.1} of {} cores", resources.n_machine_cores))
}
