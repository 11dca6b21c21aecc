//! Panes and lines that more than one screen draws from the model.
//!
//! What draws plain data lies in `kit`, what one screen alone shows lies with that screen.

pub mod accuracy;
pub mod clock;
pub mod confidence;
pub mod empty;
pub mod lines;
pub mod log;
pub mod policy;
pub mod preview;
