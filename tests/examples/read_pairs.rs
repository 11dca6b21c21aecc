//! Reads a file of preference pairs and prints what was understood of it.
//!
//! `cargo run --release --example read_pairs -- FILE`; without a file, the embedded pairs.

#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use ser::data::{DataError, ReadSettings, Source, SourceItem, detect, open, understand};

fn main() -> Result<(), DataError> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "embedded".to_owned());
    let (source, settings) = (name.parse::<Source>()?, ReadSettings::default());

    let format = detect(&source, &settings)?;
    if let Some(found) = understand(&source, format, &settings)? {
        println!("{name} is read as `{}`", found.format);
        println!("prompt from {:?}, answers from {:?}", found.prompt, found.answers);
        println!("label from {:?}, not used: {:?}", found.label, found.unused);
        let [prompt, chosen, rejected] = &found.example;
        println!("\nprompt    {prompt}\nchosen    {chosen}\nrejected  {rejected}\n");
    }

    let (mut n_pairs, mut n_dropped) = (0, 0);
    for item in open(&source, &settings)? {
        match item? {
            SourceItem::Pair(_) => n_pairs += 1,
            SourceItem::Dropped { .. } => n_dropped += 1,
        }
    }
    println!("{n_pairs} pairs, {n_dropped} left out");
    Ok(())
}
