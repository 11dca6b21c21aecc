//! Distribution functions behind p-values and intervals.
//!
//! Everything comes down to the regularized incomplete beta function, evaluated by its continued
//! fraction (Press et al., *Numerical Recipes*, 3rd edition, section 6.4, after Lentz).

/// Relative change at which the continued fraction has converged.
const PRECISION: f64 = 1e-15;
/// The fraction needs about `sqrt(max(a, b))` terms; this is enough for a million pairs.
const N_TERMS_MAX: usize = 20_000;

/// `ln(gamma(x))` for `x > 0`, to about 15 digits (Lanczos, g = 7, nine terms).
#[must_use]
pub fn ln_gamma(x: f64) -> f64 {
    const G: f64 = 7.0;
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let mut sum = 0.999_999_999_999_809_9;
    for (i, coefficient) in COEFFICIENTS.iter().enumerate() {
        sum += coefficient / (x + i as f64 + 1.0);
    }
    let t = x + G + 0.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The regularized incomplete beta function `I_x(a, b)` for `a, b > 0` and `x` in `[0, 1]`.
#[must_use]
pub fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let ln_front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    // The fraction converges fast below the mean of the distribution; above it, its mirror does.
    if x < (a + 1.0) / (a + b + 2.0) {
        ln_front.exp() * beta_fraction(a, b, x) / a
    } else {
        1.0 - ln_front.exp() * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    // Lentz: a denominator of zero is replaced by the smallest number that can be inverted.
    let safe = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / safe(1.0 - (a + b) * x / (a + 1.0));
    let mut product = d;
    for m in 1..N_TERMS_MAX {
        let m = m as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / safe(1.0 + even * d);
        c = safe(1.0 + even / c);
        product *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / safe(1.0 + odd * d);
        c = safe(1.0 + odd / c);
        product *= d * c;
        if (d * c - 1.0).abs() < PRECISION {
            break;
        }
    }
    product
}

/// `P(|T| >= |t|)` of Student's t.
#[must_use]
pub fn student_t_two_sided(t: f64, degrees_of_freedom: f64) -> f64 {
    incomplete_beta(
        degrees_of_freedom / 2.0,
        0.5,
        degrees_of_freedom / (degrees_of_freedom + t * t),
    )
}

/// The `t` with `P(|T| >= t) = 0.05`: the factor of a two-sided 95 % interval.
#[must_use]
pub fn student_t_95(degrees_of_freedom: f64) -> f64 {
    // One degree of freedom needs 12.706; more need less.
    let (mut low, mut high) = (1.9, 12.8);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if student_t_two_sided(middle, degrees_of_freedom) > 0.05 {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// `P(X <= k)` for `X` binomial with `n` trials of probability `p`.
#[must_use]
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    incomplete_beta((n - k) as f64, k as f64 + 1.0, 1.0 - p)
}

/// The binomial number that a uniform number in `[0, 1)` stands for. The outcomes are laid side
/// by side from the most likely one outwards, so a draw takes about as many steps as the standard
/// deviation.
#[must_use]
pub fn binomial_draw(uniform: f64, n: u64, p: f64) -> u64 {
    if n == 0 || p <= 0.0 {
        return 0;
    }
    if p >= 1.0 {
        return n;
    }
    let mode = (((n + 1) as f64 * p) as u64).min(n);
    let (trials, successes) = (n as f64, mode as f64);
    let ln_choose =
        ln_gamma(trials + 1.0) - ln_gamma(successes + 1.0) - ln_gamma(trials - successes + 1.0);
    let ln_mass = ln_choose + successes * p.ln() + (trials - successes) * (-p).ln_1p();
    let mass = ln_mass.exp();
    let mut rest = uniform - mass;
    let (mut above, mut below, mut up, mut down) = (mode, mode, mass, mass);
    let odds = p / (1.0 - p);
    while rest >= 0.0 && (above < n || below > 0) {
        if above < n {
            up *= (n - above) as f64 / (above + 1) as f64 * odds;
            above += 1;
            rest -= up;
            if rest < 0.0 {
                return above;
            }
        }
        if below > 0 {
            down *= below as f64 / (n - below + 1) as f64 / odds;
            below -= 1;
            rest -= down;
            if rest < 0.0 {
                return below;
            }
        }
        if up + down < f64::MIN_POSITIVE {
            break;
        }
    }
    mode
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    #[test]
    fn distributions_agree_with_the_fixture() {
        let fixture = fixture();
        for row in fixture["incomplete_beta"].as_array().unwrap() {
            let [a, b, x, want] = [0, 1, 2, 3].map(|i| row[i].as_f64().unwrap());
            let found = incomplete_beta(a, b, x);
            assert!((found / want - 1.0).abs() < 1e-10, "I_{x}({a}, {b}) = {found}, not {want}");
        }
        for row in fixture["student_t_95"].as_array().unwrap() {
            let [df, want] = [0, 1].map(|i| row[i].as_f64().unwrap());
            assert!((student_t_95(df) - want).abs() < 1e-9, "{df}: {}", student_t_95(df));
        }
        for row in fixture["binomial_cdf"].as_array().unwrap() {
            let (k, n) = (row[0].as_u64().unwrap(), row[1].as_u64().unwrap());
            let [p, want] = [2, 3].map(|i| row[i].as_f64().unwrap());
            assert!((binomial_cdf(k, n, p) / want - 1.0).abs() < 1e-10, "{k} {n} {p}");
        }
    }

    #[test]
    fn draws_have_the_binomial_distribution() {
        // Evenly spread uniforms hit every outcome as often as its mass says.
        let (n, p, n_draws) = (12_u64, 0.3, 100_000);
        let mut counts = [0_u32; 13];
        for i in 0..n_draws {
            let uniform = (f64::from(i) + 0.5) / f64::from(n_draws);
            counts[binomial_draw(uniform, n, p) as usize] += 1;
        }
        for k in 0..=n {
            let below = if k == 0 { 0.0 } else { binomial_cdf(k - 1, n, p) };
            let mass = binomial_cdf(k, n, p) - below;
            let found = f64::from(counts[k as usize]) / f64::from(n_draws);
            assert!((found - mass).abs() < 2e-5, "{k}: {found} {mass}");
        }
        for uniform in [0.0, 0.5, 1.0 - f64::EPSILON] {
            assert!(binomial_draw(uniform, 1_000_000, 1e-7) < 10);
            assert_eq!(binomial_draw(uniform, 0, 0.5), 0);
            assert_eq!(binomial_draw(uniform, 7, 1.0), 7);
            assert_eq!(binomial_draw(uniform, 7, 0.0), 0);
        }
    }
}
