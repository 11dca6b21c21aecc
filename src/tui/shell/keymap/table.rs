//! The keys that more than one screen shares, those of popups and of text fields.

use crossterm::event::KeyCode;

use super::binding::Context::{Choice, Compare, Confirm, Launch, Live, Prompt, Runs, Samples};
use super::binding::{Binding, Context, bind};
use super::command::{
    Command, ListCommand, Motion, PaneCommand, PopupCommand, ShowCommand, ViewerCommand,
};
use crate::tui::kit::key::Key::{Alt, Char, Code, Ctrl};

const SCREENS: &[Context] = &[Runs, Live, Samples, Compare, Launch];
/// Screens with a list to filter.
const LISTS: &[Context] = &[Runs, Samples];
/// What can be scrolled.
const SCROLLING: &[Context] = &[Runs, Live, Samples, Compare, Launch, Choice];
/// Screens of more than one pane.
const PANES: &[Context] = &[Live, Samples, Compare];
/// Screens whose panes can be given more room.
const SPLIT: &[Context] = &[Runs, Live, Samples, Compare];
/// Screens with texts that can be longer than a line.
const TEXTS: &[Context] = &[Runs, Live, Samples];
const EVERYWHERE: &[Context] = &[Runs, Live, Samples, Compare, Launch, Confirm, Choice, Prompt];

/// What the hint bar of a popup shows.
pub const POPUPS: &[Binding] = &[
    bind!("popup.yes", Command::Popup(PopupCommand::Yes), [Char('y')], &[Confirm], "yes", "yes"),
    bind!(
        "popup.no",
        Command::Popup(PopupCommand::No),
        [Char('n'), Char('q')],
        &[Confirm],
        "no",
        "no"
    ),
    bind!(
        "popup.choose",
        Command::Popup(PopupCommand::Yes),
        [Code(KeyCode::Enter)],
        &[Choice],
        "take this one",
        "take"
    ),
    bind!(
        "field.accept",
        Command::Popup(PopupCommand::Yes),
        [Code(KeyCode::Enter)],
        &[Prompt],
        "take it",
        "take"
    ),
    bind!(
        "field.complete",
        Command::Popup(PopupCommand::Complete),
        [Code(KeyCode::Tab)],
        &[Prompt],
        "complete",
        "complete"
    ),
    bind!(
        "field.up",
        Command::Move(Motion::Up),
        [Code(KeyCode::Up), Ctrl('p')],
        &[Prompt],
        "previous in the list, or earlier text",
        ""
    ),
    bind!(
        "field.down",
        Command::Move(Motion::Down),
        [Code(KeyCode::Down), Ctrl('n')],
        &[Prompt],
        "next in the list, or later text",
        ""
    ),
    bind!(
        "field.page_up",
        Command::Move(Motion::PageUp),
        [Code(KeyCode::PageUp)],
        &[Prompt],
        "half a page up",
        ""
    ),
    bind!(
        "field.page_down",
        Command::Move(Motion::PageDown),
        [Code(KeyCode::PageDown)],
        &[Prompt],
        "half a page down",
        ""
    ),
];

/// What holds on most screens.
pub const BINDINGS: &[Binding] = &[
    bind!(
        "list.filter",
        Command::Viewer(ViewerCommand::Filter),
        [Char('/')],
        LISTS,
        "show only rows that match",
        "filter"
    ),
    bind!(
        "list.mark",
        Command::List(ListCommand::Mark),
        [Char(' ')],
        LISTS,
        "mark, and go to the next row",
        "mark"
    ),
    bind!(
        "list.mark_all",
        Command::List(ListCommand::MarkAll),
        [Char('*')],
        LISTS,
        "mark every row shown",
        ""
    ),
    bind!(
        "list.range",
        Command::List(ListCommand::Range),
        [Char('v')],
        LISTS,
        "begin a range; v again marks it",
        ""
    ),
    bind!(
        "list.clear_marks",
        Command::List(ListCommand::ClearMarks),
        [Ctrl('\\')],
        LISTS,
        "unmark everything",
        ""
    ),
    bind!("undo", Command::Undo, [Char('u')], SCREENS, "take the last decision back", "undo"),
    bind!("redo", Command::Redo, [Ctrl('r')], SCREENS, "take the last undo back", ""),
    bind!(
        "view.zoom",
        Command::Pane(PaneCommand::Zoom),
        [Char('z')],
        PANES,
        "this pane on the whole screen",
        "zoom"
    ),
    bind!(
        "view.grow",
        Command::Viewer(ViewerCommand::Grow),
        [Char('+')],
        SPLIT,
        "more room for the pane with the keys",
        ""
    ),
    bind!(
        "view.shrink",
        Command::Viewer(ViewerCommand::Shrink),
        [Char('-')],
        SPLIT,
        "less room for it",
        ""
    ),
    bind!("view.wrap", Command::Wrap, [Char('W')], TEXTS, "long lines wrapped, or cut", ""),
    bind!(
        "view.next_pane",
        Command::Pane(PaneCommand::Next),
        [Code(KeyCode::Tab)],
        PANES,
        "next pane",
        "pane"
    ),
    bind!(
        "view.previous_pane",
        Command::Pane(PaneCommand::Previous),
        [Code(KeyCode::BackTab)],
        PANES,
        "previous pane",
        ""
    ),
    bind!(
        "view.freeze",
        Command::Viewer(ViewerCommand::Freeze),
        [Char('F')],
        SCREENS,
        "hold the view still; data keeps arriving",
        "freeze"
    ),
    bind!("copy", Command::Copy, [Char('y')], SCREENS, "copy …", "copy"),
    bind!(
        "export",
        Command::Viewer(ViewerCommand::Export),
        [Char('e')],
        &[Runs, Live, Samples],
        "write what is shown to a file …",
        "export"
    ),
    bind!(
        "down",
        Command::Move(Motion::Down),
        [Char('j'), Code(KeyCode::Down)],
        SCROLLING,
        "down",
        ""
    ),
    bind!("up", Command::Move(Motion::Up), [Char('k'), Code(KeyCode::Up)], SCROLLING, "up", ""),
    bind!(
        "page_down",
        Command::Move(Motion::PageDown),
        [Ctrl('d'), Code(KeyCode::PageDown)],
        SCROLLING,
        "half a page down",
        ""
    ),
    bind!(
        "page_up",
        Command::Move(Motion::PageUp),
        [Ctrl('u'), Code(KeyCode::PageUp)],
        SCROLLING,
        "half a page up",
        ""
    ),
    bind!(
        "first",
        Command::Move(Motion::First),
        [Char('g'), Code(KeyCode::Home)],
        &[Runs, Samples, Compare, Launch, Choice],
        "to the first",
        ""
    ),
    bind!(
        "first",
        Command::Move(Motion::First),
        [Code(KeyCode::Home)],
        &[Live],
        "to the oldest event",
        ""
    ),
    bind!(
        "last",
        Command::Move(Motion::Last),
        [Char('G'), Code(KeyCode::End)],
        SCROLLING,
        "to the last, the newest",
        ""
    ),
    bind!(
        "show.runs",
        Command::Show(ShowCommand::Runs),
        [Char('1'), Alt('1')],
        SCREENS,
        "the runs list",
        ""
    ),
    bind!(
        "show.live",
        Command::Show(ShowCommand::Live),
        [Char('2'), Alt('2')],
        SCREENS,
        "the live screen of the selected run",
        ""
    ),
    bind!(
        "show.samples",
        Command::Show(ShowCommand::Samples),
        [Char('3'), Alt('3')],
        SCREENS,
        "the pairs the selected run scored",
        ""
    ),
    bind!(
        "show.compare",
        Command::Show(ShowCommand::Compare),
        [Char('4'), Alt('4')],
        SCREENS,
        "the marked runs side by side",
        ""
    ),
    bind!(
        "show.launch",
        Command::Show(ShowCommand::Launch),
        [Char('5'), Alt('5')],
        SCREENS,
        "the form that starts runs",
        ""
    ),
    bind!(
        "view.theme",
        Command::Viewer(ViewerCommand::Theme),
        [Char('T')],
        SCREENS,
        "next theme",
        ""
    ),
    bind!(
        "view.mouse",
        Command::Viewer(ViewerCommand::Mouse),
        [Char('M')],
        SCREENS,
        "mouse for the viewer: on or off",
        ""
    ),
    bind!(
        "out",
        Command::Viewer(ViewerCommand::Out),
        [Code(KeyCode::Esc)],
        EVERYWHERE,
        "one layer out; never leaves the viewer",
        ""
    ),
    bind!(
        "live.back",
        Command::Viewer(ViewerCommand::Out),
        [Char('h'), Code(KeyCode::Left)],
        &[Live],
        "back to the list",
        ""
    ),
    bind!(
        "back",
        Command::Viewer(ViewerCommand::Back),
        [Char('q')],
        &[Runs, Live, Samples, Compare, Launch, Choice],
        "back; at the top leaves, and runs keep going",
        "back"
    ),
    bind!(
        "palette",
        Command::Viewer(ViewerCommand::Palette),
        [Char(':'), Ctrl('p')],
        SCREENS,
        "every action by name",
        "command"
    ),
    bind!(
        "help",
        Command::Viewer(ViewerCommand::Help),
        [Char('?'), Code(KeyCode::F(1))],
        SCREENS,
        "these keys",
        "help"
    ),
    bind!(
        "quit",
        Command::Viewer(ViewerCommand::QuitNow),
        [Ctrl('c')],
        EVERYWHERE,
        "leave the viewer at once; no run notices",
        ""
    ),
    bind!(
        "suspend",
        Command::Viewer(ViewerCommand::Suspend),
        [Ctrl('z')],
        EVERYWHERE,
        "suspend the viewer; `fg` returns",
        ""
    ),
    bind!(
        "redraw",
        Command::Viewer(ViewerCommand::Redraw),
        [Ctrl('l')],
        EVERYWHERE,
        "draw everything again",
        ""
    ),
];
