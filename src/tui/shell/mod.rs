//! What every screen stands in: the model, messages and effects, keys, popups, the palette.

pub mod app;
pub mod commands;
pub mod effect;
pub mod keymap;
pub mod message;
pub mod model;
pub mod overlay;
pub mod split;
pub mod update;
pub mod view;
