//! Trains a small reward model on some of the embedded pairs and prints its accuracy on others.
//!
//! `cargo run --release --example train_reward_model`

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use ser::data::{ReadSettings, Source, SourceItem, open as open_data};
use ser::domain::metrics::Evaluation;
use ser::domain::preference::{PreferencePair, Side};
use ser::domain::spec::Loss;
use ser::engine::{Backbone, LabeledPair, OpenSettings, PairText, StepSettings, open};

fn pairs(name: &str, n_pairs: usize) -> Result<Vec<PreferencePair>, Box<dyn Error>> {
    let settings = ReadSettings::default();
    let items: Vec<SourceItem> =
        open_data(&name.parse::<Source>()?, &settings)?.take(n_pairs).collect::<Result<_, _>>()?;
    let pair = |item| match item {
        SourceItem::Pair(found) => Some(found.pair),
        SourceItem::Dropped { .. } => None,
    };
    Ok(items.into_iter().filter_map(pair).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let (train, test) = (pairs("embedded:train", 256)?, pairs("embedded:test", 200)?);
    let mut model = open(&OpenSettings::new(Backbone::Embedded, 256, 1))?;
    let texts: Vec<PairText<'_>> =
        train.iter().chain(&test).map(PairText::preferred_first).collect();
    let encoded = model.encode(&texts)?;
    let (train, test) = encoded.split_at(train.len());

    for (step, batch) in train.chunks(32).cycle().take(24).enumerate() {
        // The preferred answer is answer a of every pair here; a run shuffles the two.
        let batch: Vec<LabeledPair<'_>> =
            batch.iter().map(|pair| LabeledPair::certain(pair, Side::A)).collect();
        let settings = StepSettings {
            loss: Loss::BradleyTerry,
            learning_rate: 3e-4,
            weight_decay: 0.01,
            clip_norm: 1.0,
            dropout: 0.0,
            dropout_key: step as u64,
        };
        let report = model.train_step(&batch, &settings)?;
        if step % 12 == 11 {
            println!("step {:>2}  loss {:.3}", step + 1, report.loss);
        }
    }

    let rewards = model.score(&test.iter().collect::<Vec<_>>())?;
    let margins: Vec<f64> = rewards.iter().map(|[a, b]| f64::from(a - b)).collect();
    if let Some(found) = Evaluation::from_margins(&margins) {
        println!("accuracy on {} test pairs: {:.1} %", found.n, 100.0 * found.accuracy);
    }
    Ok(())
}
