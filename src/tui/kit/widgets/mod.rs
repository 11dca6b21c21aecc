//! Small drawings on plain data. A widget knows nothing of runs, rounds or keys.

mod braille;
mod gauge;
mod histogram;
mod line_chart;
mod reliability;
mod scale;
mod trend;

pub use gauge::{gauge, marked_gauge};
pub use histogram::{HistogramChart, Threshold};
pub use line_chart::{LineChart, Mark, Point, Series, Stroke};
pub use reliability::{ReliabilityChart, is_too_sure};
pub use trend::{TrendScale, trend};
