//! What every screen stands in: the model, messages and effects, keys, popups, the palette, the loop.
//!
//! In three layers. The *state* ([`model`], [`overlay`], [`split`]) with the types of what happens and
//! of what is to be done knows the screens' states alone. The *doors* ([`current_run`], [`export`])
//! are what screens call; they know the state. The *roots* ([`update`], [`refuse`], [`navigate`],
//! [`view`], [`app`]) call the screens, and no screen calls them.

pub mod app;
pub mod chosen;
pub mod current_run;
pub mod effect;
mod explain;
pub mod export;
pub mod keymap;
pub mod message;
pub mod model;
mod navigate;
pub mod overlay;
mod palette;
pub mod recorder;
mod refuse;
pub mod split;
mod tabs;
pub mod update;
pub mod view;
