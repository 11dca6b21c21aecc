//! Central differences, the judge of every backward kernel.

/// `n` reproducible numbers in [-1, 1].
pub fn noise(n: usize, phase: u32) -> Vec<f32> {
    (0..n).map(|i| ((i as f32 + 0.37) * 1.713 + phase as f32 * 2.9).sin()).collect()
}

/// The gradient of `f` at `x` by central differences.
pub fn central_difference(x: &[f32], f: impl Fn(&[f32]) -> f64) -> Vec<f32> {
    const STEP: f32 = 4e-3;
    let mut x = x.to_vec();
    (0..x.len())
        .map(|i| {
            let center = x[i];
            x[i] = center + STEP;
            let (above, up) = (f(&x), x[i]);
            x[i] = center - STEP;
            let (below, down) = (f(&x), x[i]);
            x[i] = center;
            ((above - below) / f64::from(up - down)) as f32
        })
        .collect()
}

/// `|a - b| / |b|` over whole vectors.
pub fn relative_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let square = |x: f64| x * x;
    let error: f64 = a.iter().zip(b).map(|(a, b)| square(f64::from(a - b))).sum();
    let length: f64 = b.iter().map(|b| square(f64::from(*b))).sum();
    (error / length.max(1e-30)).sqrt()
}

/// Fails when `actual` is further from `expected` than `tolerance`, relative to its length.
#[track_caller]
pub fn assert_close(actual: &[f32], expected: &[f32], tolerance: f64) {
    let error = relative_error(actual, expected);
    assert!(error <= tolerance, "relative error {error}");
}
