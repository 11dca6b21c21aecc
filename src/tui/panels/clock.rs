//! How far a run is and when it will end, as a bar and words.

use ratatui::text::Span;

use crate::domain::forecast::Forecast;
use crate::tui::feed::data::RunData;
use crate::tui::kit::text;
use crate::tui::kit::widgets::marked_gauge;
use crate::tui::kit::words::Condition;
use crate::tui::shell::model::Model;

/// Columns of the bar of a run, its ends included.
const N_BAR: usize = 22;
/// Beyond so many milliseconds a time of day could be meant of several days.
const DAY_MS: i64 = 18 * 3_600_000;

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
    Some(between(least, most, model.now_ms, model.utc_offset_s))
}

fn between(least: i64, most: i64, now_ms: i64, offset_s: i32) -> String {
    if most - now_ms > DAY_MS {
        let hours = |at: i64| (at - now_ms) / 3_600_000;
        return format!("ends in {}–{}h", hours(least), hours(most) + 1);
    }
    let minute = |at: i64| text::time_of_day(at, offset_s).chars().take(5).collect::<String>();
    // Whole minutes, outward.
    let (first, last) = (minute(least), minute(most.saturating_add(59_999)));
    if first == last { format!("ends {first}") } else { format!("ends {first}–{last}") }
}

/// `busy machine: 0.3 of 2 cores`, where other programs slow the worker down.
pub fn busy_words(data: &RunData) -> Option<String> {
    let resources = data.resources.as_ref().filter(|it| it.is_machine_busy())?;
    let n_cores = resources.n_cores?;
    Some(format!("busy machine: {n_cores:.1} of {} cores", resources.n_machine_cores))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_range_of_whole_minutes() {
        let now = 1_795_524_000_000; // 12:40:00 UTC
        for (least_s, most_s, expected) in [
            (60, 600, "ends 12:41–12:50"),
            (65, 601, "ends 12:41–12:51"),
            (60, 60, "ends 12:41"),
            (0, 12 * 3600, "ends 12:40–00:40"),
            (7_000, 30 * 3600, "ends in 1–31h"),
        ] {
            let words = between(now + least_s * 1000, now + most_s * 1000, now, 0);
            assert_eq!(words, expected);
        }
        assert_eq!(between(now, now, now, 3600), "ends 13:40");
    }
}
