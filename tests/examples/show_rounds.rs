//! Opens the store of a home and prints the rounds of its newest run.
//!
//! `cargo run --release --example show_rounds -- HOME`; without a folder, the home that `ser` uses.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use ser::store::{Access, Home, Store, StoreError};

fn main() -> Result<(), StoreError> {
    let home = Home::resolve(std::env::args().nth(1).map(Into::into))?;
    let store = match Store::open(&home, Access::ReadOnly) {
        Err(StoreError::Missing { .. }) => {
            println!("{} has no runs yet", home.root().display());
            return Ok(());
        }
        store => store?,
    };
    let runs = store.runs()?;
    let Some(run) = runs.first() else {
        println!("{} has no runs yet", home.root().display());
        return Ok(());
    };

    println!("{}: arm {}, {}", run.name, run.arm, run.status.name());
    for row in store.rounds(&run.id)? {
        let accuracy = row.test.as_ref().map_or(f64::NAN, |test| 100.0 * test.accuracy);
        let n_selected = row.selection.as_ref().map_or(0, |selection| selection.n_selected);
        println!(
            "round {}: {n_selected} pseudo-labels, {} training pairs, test accuracy {accuracy:.1} %",
            row.round,
            row.n_train_pairs.unwrap_or(0),
        );
    }
    Ok(())
}
