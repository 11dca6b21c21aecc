//! How long a test waits for another process before it fails.

use std::time::Duration;

/// The environment variable that multiplies every time limit, such as `SER_PATIENCE=4`.
const VARIABLE: &str = "SER_PATIENCE";

/// A time limit that is enough on a quiet machine, multiplied by `SER_PATIENCE` where that is set.
///
/// # Panics
/// When the variable is not a number above 0.
pub fn patience(limit: Duration) -> Duration {
    scaled(limit, std::env::var(VARIABLE).ok().as_deref())
}

/// [`patience`] in whole seconds.
pub fn seconds(n: u64) -> Duration {
    patience(Duration::from_secs(n))
}

fn scaled(limit: Duration, factor: Option<&str>) -> Duration {
    let Some(factor) = factor else { return limit };
    match factor.parse::<f64>() {
        Ok(factor) if factor.is_finite() && factor > 0.0 => limit.mul_f64(factor),
        _ => panic!("{VARIABLE} is `{factor}`, and should be a number above 0, such as 4"),
    }
}

#[test]
fn patience_multiplies_limits() {
    let limit = Duration::from_millis(500);
    assert_eq!(scaled(limit, None), limit);
    assert_eq!(scaled(limit, Some("4")), Duration::from_secs(2));
    assert_eq!(scaled(limit, Some("0.5")), Duration::from_millis(250));
    for wrong in ["", "0", "-1", "NaN", "long"] {
        assert!(std::panic::catch_unwind(|| scaled(limit, Some(wrong))).is_err(), "{wrong}");
    }
}
