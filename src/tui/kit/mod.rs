//! Parts that screens are made of: texts, styles, keys, boxes, charts on plain data.
//!
//! Nothing here knows the model, a screen or a thread: a part takes what it draws as arguments. What
//! more than one screen draws from the model lies in `panels`.

pub mod command_line;
pub mod decisions;
pub mod diff;
pub mod draw;
pub mod field;
pub mod key;
pub mod progress;
pub mod size;
pub mod text;
pub mod theme;
pub mod widgets;
pub mod words;
