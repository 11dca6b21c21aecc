//! The tabs of the first row: where they stand and where they lead.

use super::keymap::command::ShowCommand;
use super::model::Screen;
use crate::tui::kit::text;

/// The tabs, in the order of their keys.
pub const TABS: [(Screen, ShowCommand, &str); 5] = [
    (Screen::Runs, ShowCommand::Runs, "1 Runs"),
    (Screen::Live, ShowCommand::Live, "2 Live"),
    (Screen::Samples, ShowCommand::Samples, "3 Samples"),
    (Screen::Compare, ShowCommand::Compare, "4 Compare"),
    (Screen::Launch, ShowCommand::Launch, "5 Launch"),
];
/// What stands before the tabs.
pub const BEFORE_TABS: &str = " ser  ";

/// The command of the tab at a column of the first row.
pub fn tab_at(x: u16) -> Option<ShowCommand> {
    let mut from = text::width(BEFORE_TABS);
    for (_, command, label) in TABS {
        let to = from + text::width(label) + 2;
        if (from..to).contains(&usize::from(x)) {
            return Some(command);
        }
        from = to;
    }
    None
}
