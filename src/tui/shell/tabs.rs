//! The tabs of the first row: where they stand and where they lead.

use super::keymap::command::ShowCommand;
use super::model::Screen;
use crate::tui::kit::text;

/// The tabs, in the order of their keys.
pub const TABS: [(Screen, ShowCommand, &str); 6] = [
    (Screen::Runs, ShowCommand::Runs, "1 Runs"),
    (Screen::Live, ShowCommand::Live, "2 Live"),
    (Screen::Samples, ShowCommand::Samples, "3 Samples"),
    (Screen::Compare, ShowCommand::Compare, "4 Compare"),
    (Screen::Launch, ShowCommand::Launch, "5 Launch"),
    (Screen::Policy, ShowCommand::Policy, "6 Policy"),
];
/// The least width of a terminal that has room for the name of the program before the tabs.
const N_NAMED: u16 = 66;

/// What stands before the tabs.
pub fn before_tabs(width: u16) -> &'static str {
    if width < N_NAMED { " " } else { " ser  " }
}

/// The command of the tab at a column of the first row of a terminal of this width.
pub fn tab_at(x: u16, width: u16) -> Option<ShowCommand> {
    let mut from = text::width(before_tabs(width));
    for (_, command, label) in TABS {
        let to = from + text::width(label) + 2;
        if (from..to).contains(&usize::from(x)) {
            return Some(command);
        }
        from = to;
    }
    None
}
