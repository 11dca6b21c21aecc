//! The keys that more than one screen shares, those of popups and of text fields.

use crossterm::event::KeyCode;

use super::binding::Context::{
    Choice, Compare, Confirm, Judging, Launch, Live, Policy, Prompt, Queue, Runs, Samples,
};
use super::binding::{Binding, Context, bind};
use super::command::{
    Command as C, ListCommand as L, Motion as M, PaneCommand as P, PopupCommand as A,
    ShowCommand as S, ViewerCommand as V,
};
use crate::tui::kit::key::Key::{Alt, Char, Code, Ctrl};

const SCREENS: &[Context] = &[Runs, Live, Samples, Queue, Compare, Launch, Policy, Judging];
/// Screens on which `1` and `2` show other screens: in a queue they judge.
const BESIDE_QUEUES: &[Context] = &[Runs, Live, Samples, Compare, Launch, Policy];
/// Screens with a list to filter.
const LISTS: &[Context] = &[Runs, Samples];
/// What can be scrolled.
const SCROLLING: &[Context] =
    &[Runs, Live, Samples, Queue, Compare, Launch, Policy, Judging, Choice];
/// Screens of more than one pane.
const PANES: &[Context] = &[Live, Samples, Queue, Compare, Policy];
/// Screens whose panes can be given more room.
const SPLIT: &[Context] = &[Runs, Live, Samples, Queue, Compare, Policy];
/// Screens with texts that can be longer than a line.
const TEXTS: &[Context] = &[Runs, Live, Samples, Queue, Policy];
const EVERYWHERE: &[Context] =
    &[Runs, Live, Samples, Queue, Compare, Launch, Policy, Judging, Confirm, Choice, Prompt];

/// What the hint bar of a popup shows.
pub const POPUPS: &[Binding] = &[
    bind!("popup.yes", C::Popup(A::Yes), [Char('y')], &[Confirm], "yes", "yes"),
    bind!("popup.no", C::Popup(A::No), [Char('n'), Char('q')], &[Confirm], "no", "no"),
    bind!(
        "popup.choose",
        C::Popup(A::Yes),
        [Code(KeyCode::Enter)],
        &[Choice],
        "take this one",
        "take"
    ),
    bind!("field.accept", C::Popup(A::Yes), [Code(KeyCode::Enter)], &[Prompt], "take it", "take"),
    bind!(
        "field.complete",
        C::Popup(A::Complete),
        [Code(KeyCode::Tab)],
        &[Prompt],
        "complete",
        "complete"
    ),
    bind!(
        "field.up",
        C::Move(M::Up),
        [Code(KeyCode::Up), Ctrl('p')],
        &[Prompt],
        "previous in the list, or earlier text",
        ""
    ),
    bind!(
        "field.down",
        C::Move(M::Down),
        [Code(KeyCode::Down), Ctrl('n')],
        &[Prompt],
        "next in the list, or later text",
        ""
    ),
    bind!(
        "field.page_up",
        C::Move(M::PageUp),
        [Code(KeyCode::PageUp)],
        &[Prompt],
        "half a page up",
        ""
    ),
    bind!(
        "field.page_down",
        C::Move(M::PageDown),
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
        C::Viewer(V::Filter),
        [Char('/')],
        &[Runs, Samples, Queue, Policy],
        "show only rows that match",
        "filter"
    ),
    bind!(
        "list.mark",
        C::List(L::Mark),
        [Char(' ')],
        LISTS,
        "mark, and go to the next row",
        "mark"
    ),
    bind!("list.mark_all", C::List(L::MarkAll), [Char('*')], LISTS, "mark every row shown", ""),
    bind!(
        "list.range",
        C::List(L::Range),
        [Char('v')],
        LISTS,
        "begin a range; v again marks it",
        ""
    ),
    bind!("list.clear_marks", C::List(L::ClearMarks), [Ctrl('\\')], LISTS, "unmark everything", ""),
    bind!("undo", C::Undo, [Char('u')], SCREENS, "take the last decision back", "undo"),
    bind!("redo", C::Redo, [Ctrl('r')], SCREENS, "take the last undo back", ""),
    bind!(
        "view.zoom",
        C::Pane(P::Zoom),
        [Char('z')],
        PANES,
        "this pane on the whole screen",
        "zoom"
    ),
    bind!(
        "view.grow",
        C::Viewer(V::Grow),
        [Char('+')],
        SPLIT,
        "more room for the pane with the keys",
        ""
    ),
    bind!("view.shrink", C::Viewer(V::Shrink), [Char('-')], SPLIT, "less room for it", ""),
    bind!("view.wrap", C::Wrap, [Char('W')], TEXTS, "long lines wrapped, or cut", ""),
    bind!("view.next_pane", C::Pane(P::Next), [Code(KeyCode::Tab)], PANES, "next pane", "pane"),
    bind!(
        "view.previous_pane",
        C::Pane(P::Previous),
        [Code(KeyCode::BackTab)],
        PANES,
        "previous pane",
        ""
    ),
    bind!(
        "view.freeze",
        C::Viewer(V::Freeze),
        [Char('F')],
        SCREENS,
        "hold the view still; data keeps arriving",
        "freeze"
    ),
    bind!("copy", C::Copy, [Char('y')], SCREENS, "copy …", "copy"),
    bind!(
        "export",
        C::Viewer(V::Export),
        [Char('e')],
        &[Runs, Live, Samples, Queue, Policy],
        "write what is shown to a file …",
        "export"
    ),
    bind!("down", C::Move(M::Down), [Char('j'), Code(KeyCode::Down)], SCROLLING, "down", ""),
    bind!("up", C::Move(M::Up), [Char('k'), Code(KeyCode::Up)], SCROLLING, "up", ""),
    bind!(
        "page_down",
        C::Move(M::PageDown),
        [Ctrl('d'), Code(KeyCode::PageDown)],
        SCROLLING,
        "half a page down",
        ""
    ),
    bind!(
        "page_up",
        C::Move(M::PageUp),
        [Ctrl('u'), Code(KeyCode::PageUp)],
        SCROLLING,
        "half a page up",
        ""
    ),
    bind!(
        "first",
        C::Move(M::First),
        [Char('g'), Code(KeyCode::Home)],
        &[Runs, Samples, Queue, Compare, Launch, Policy, Judging, Choice],
        "to the first",
        ""
    ),
    bind!(
        "live.first",
        C::Move(M::First),
        [Code(KeyCode::Home)],
        &[Live],
        "to the oldest event",
        ""
    ),
    bind!(
        "last",
        C::Move(M::Last),
        [Char('G'), Code(KeyCode::End)],
        SCROLLING,
        "to the last, the newest",
        ""
    ),
    bind!("show.runs", C::Show(S::Runs), [Char('1'), Alt('1')], BESIDE_QUEUES, "the runs list", ""),
    bind!("queue.show_runs", C::Show(S::Runs), [Alt('1')], &[Queue, Judging], "the runs list", ""),
    bind!(
        "show.live",
        C::Show(S::Live),
        [Char('2'), Alt('2')],
        BESIDE_QUEUES,
        "the live screen of the selected run",
        ""
    ),
    bind!(
        "queue.show_live",
        C::Show(S::Live),
        [Alt('2')],
        &[Queue, Judging],
        "the live screen of the selected run",
        ""
    ),
    bind!(
        "show.samples",
        C::Show(S::Samples),
        [Char('3'), Alt('3')],
        SCREENS,
        "the pairs the selected run scored",
        ""
    ),
    bind!(
        "show.compare",
        C::Show(S::Compare),
        [Char('4'), Alt('4')],
        SCREENS,
        "the marked runs side by side",
        ""
    ),
    bind!(
        "show.launch",
        C::Show(S::Launch),
        [Char('5'), Alt('5')],
        SCREENS,
        "the form that starts runs",
        ""
    ),
    bind!(
        "show.policy",
        C::Show(S::Policy),
        [Char('6'), Alt('6')],
        SCREENS,
        "the curves and answers of a policy",
        ""
    ),
    bind!("view.theme", C::Viewer(V::Theme), [Char('T')], SCREENS, "next theme", ""),
    bind!(
        "view.mouse",
        C::Viewer(V::Mouse),
        [Char('M')],
        SCREENS,
        "mouse for the viewer: on or off",
        ""
    ),
    bind!(
        "out",
        C::Viewer(V::Out),
        [Code(KeyCode::Esc)],
        EVERYWHERE,
        "one layer out; never leaves the viewer",
        ""
    ),
    bind!(
        "live.back",
        C::Viewer(V::Out),
        [Char('h'), Code(KeyCode::Left)],
        &[Live],
        "back to the list",
        ""
    ),
    bind!(
        "back",
        C::Viewer(V::Back),
        [Char('q')],
        &[Runs, Live, Samples, Queue, Compare, Launch, Policy, Judging, Choice],
        "back; at the top leaves, and runs keep going",
        "back"
    ),
    bind!(
        "palette",
        C::Viewer(V::Palette),
        [Char(':'), Ctrl('p')],
        SCREENS,
        "every action by name",
        "command"
    ),
    bind!(
        "help",
        C::Viewer(V::Help),
        [Char('?'), Code(KeyCode::F(1))],
        SCREENS,
        "these keys; Tab there, or ? again: what the words mean",
        "help"
    ),
    bind!(
        "explain",
        C::Viewer(V::Explain),
        [Code(KeyCode::F(2))],
        SCREENS,
        "what the words and numbers here mean",
        ""
    ),
    bind!(
        "quit",
        C::Viewer(V::QuitNow),
        [Ctrl('c')],
        EVERYWHERE,
        "leave the viewer at once; no run notices",
        ""
    ),
    bind!(
        "suspend",
        C::Viewer(V::Suspend),
        [Ctrl('z')],
        EVERYWHERE,
        "suspend the viewer; `fg` returns",
        ""
    ),
    bind!("redraw", C::Viewer(V::Redraw), [Ctrl('l')], EVERYWHERE, "draw everything again", ""),
];
