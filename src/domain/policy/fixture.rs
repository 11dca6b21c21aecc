//! Reads the figures that TRL computed (`tests/fixtures/policy`), and compares with them.

use serde_json::Value;

/// The cases of a fixture by its name.
pub fn cases(name: &str) -> Vec<Value> {
    let text = match name {
        "dpo" => include_str!("../../../tests/fixtures/policy/dpo.json"),
        "grpo" => include_str!("../../../tests/fixtures/policy/grpo.json"),
        "kl" => include_str!("../../../tests/fixtures/policy/kl.json"),
        "ppo" => include_str!("../../../tests/fixtures/policy/ppo.json"),
        "rloo" => include_str!("../../../tests/fixtures/policy/rloo.json"),
        other => panic!("no fixture `{other}`"),
    };
    let found: Value = serde_json::from_str(text).unwrap();
    found["cases"].as_array().unwrap().clone()
}

pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

pub fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Lists of lists; empty where there is none.
pub fn lists(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().map(|rows| rows.iter().map(list).collect()).unwrap_or_default()
}

/// Asserts that two numbers differ by at most `tolerance` of the larger of them and 1e-3: what an f32
/// cancels to is not compared digit by digit. Returns the difference so measured.
pub fn close(found: f64, want: f64, tolerance: f64, what: &str) -> f64 {
    let error = (found - want).abs() / want.abs().max(1e-3);
    assert!(error <= tolerance, "{what}: {found}, not {want} ({error:e})");
    error
}

/// [`close`] for lists, measured against the largest number of the list that is wanted.
pub fn all_close(found: &[f64], want: &[f64], tolerance: f64, what: &str) -> f64 {
    assert_eq!(found.len(), want.len(), "{what}");
    let size = want.iter().fold(1e-3_f64, |size, it| size.max(it.abs()));
    let errors = found.iter().zip(want).map(|(found, want)| (found - want).abs() / size);
    let error = errors.fold(0.0, f64::max);
    assert!(error <= tolerance, "{what}: {found:?}, not {want:?} ({error:e})");
    error
}
