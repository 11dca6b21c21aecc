//! Parts that screens are made of; none knows a screen.

pub mod charts;
pub mod field;
pub mod pair;
pub mod panels;
pub mod text;
pub mod theme;
pub mod widgets;
pub mod words;
