//! The keys that all screens share, and those of the runs list and the live screen.

use crossterm::event::KeyCode;

use super::Command as C;
use super::Context::{Choice, Compare, Confirm, Launch, Live, Prompt, Runs, Samples};
use super::Key::{Alt, Char, Code, Ctrl};
use super::{Binding, Context, bind};

/// Every screen.
const SCREENS: &[Context] = &[Runs, Live, Samples, Compare, Launch];
/// Screens whose keys act on a run.
const ON_RUNS: &[Context] = &[Runs, Live];
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

/// What the hint bar shows first.
pub const FIRST: &[Binding] = &[
    bind!("popup.yes", C::Yes, [Char('y')], &[Confirm], "yes", "yes"),
    bind!("popup.no", C::No, [Char('n'), Char('q')], &[Confirm], "no", "no"),
    bind!("popup.choose", C::Yes, [Code(KeyCode::Enter)], &[Choice], "take this one", "take"),
    bind!("field.accept", C::Yes, [Code(KeyCode::Enter)], &[Prompt], "take it", "take"),
    bind!("field.complete", C::Complete, [Code(KeyCode::Tab)], &[Prompt], "complete", "complete"),
    bind!(
        "field.up",
        C::Up,
        [Code(KeyCode::Up), Ctrl('p')],
        &[Prompt],
        "previous in the list, or earlier text",
        ""
    ),
    bind!(
        "field.down",
        C::Down,
        [Code(KeyCode::Down), Ctrl('n')],
        &[Prompt],
        "next in the list, or later text",
        ""
    ),
    bind!("field.page_up", C::PageUp, [Code(KeyCode::PageUp)], &[Prompt], "half a page up", ""),
    bind!(
        "field.page_down",
        C::PageDown,
        [Code(KeyCode::PageDown)],
        &[Prompt],
        "half a page down",
        ""
    ),
    bind!(
        "runs.open",
        C::Open,
        [Code(KeyCode::Enter), Char('l'), Code(KeyCode::Right)],
        &[Runs],
        "open the run (empty list: start the embedded one)",
        "open"
    ),
    bind!("runs.new", C::New, [Char('n')], ON_RUNS, "start a new run", "new"),
    bind!(
        "run.pause",
        C::Pause,
        [Char('p')],
        ON_RUNS,
        "pause between two steps, or go on",
        "pause"
    ),
    bind!("run.stop", C::Stop, [Char('x')], &[Runs], "stop after this step (asks)", "stop"),
    bind!("run.kill", C::Kill, [Char('X')], &[Runs], "kill its process now (asks)", ""),
    // On the live screen `x` is for the pair, as on the samples screen.
    bind!("run.stop", C::Stop, [Char('X')], &[Live], "stop after this step (asks)", "stop"),
    bind!(
        "run.resume",
        C::Resume,
        [Char('R')],
        ON_RUNS,
        "resume what was stopped, failed or cut off",
        "resume"
    ),
    bind!("runs.sort", C::Sort, [Char('s')], &[Runs], "next order of the list", "sort"),
    bind!("runs.sort_menu", C::SortMenu, [Char('S')], &[Runs], "choose the order of the list", ""),
    bind!(
        "runs.compare",
        C::ShowCompare,
        [Char('c')],
        &[Runs],
        "compare the marked runs with the baseline",
        "compare"
    ),
    bind!(
        "runs.star",
        C::Star,
        [Char('b')],
        &[Runs],
        "the baseline that others are measured against",
        "baseline"
    ),
    bind!("runs.tag", C::Tag, [Char('t')], &[Runs], "tags of the run", "tag"),
    bind!("runs.note", C::Note, [Char('o')], &[Runs], "note on the run", "note"),
    bind!(
        "runs.experiments",
        C::Experiments,
        [Char('E')],
        &[Runs],
        "experiments and their arms …",
        ""
    ),
    bind!(
        "runs.archive",
        C::Archive,
        [Char('d')],
        &[Runs],
        "out of the list, or back (filter is:archived)",
        "archive"
    ),
    bind!(
        "runs.archive_marked",
        C::ArchiveMarked,
        [Char('D')],
        &[Runs],
        "every marked run out of the list (asks)",
        ""
    ),
];

/// What holds on most screens.
pub const BINDINGS: &[Binding] = &[
    bind!("list.filter", C::Filter, [Char('/')], LISTS, "show only rows that match", "filter"),
    bind!("list.mark", C::Mark, [Char(' ')], LISTS, "mark, and go to the next row", "mark"),
    bind!("list.mark_all", C::MarkAll, [Char('*')], LISTS, "mark every row shown", ""),
    bind!("list.range", C::Range, [Char('v')], LISTS, "begin a range; v again marks it", ""),
    bind!("list.clear_marks", C::ClearMarks, [Ctrl('\\')], LISTS, "unmark everything", ""),
    bind!("undo", C::Undo, [Char('u')], SCREENS, "take the last decision back", "undo"),
    bind!("redo", C::Redo, [Ctrl('r')], SCREENS, "take the last undo back", ""),
    bind!("view.zoom", C::Zoom, [Char('z')], PANES, "this pane on the whole screen", "zoom"),
    bind!("view.grow", C::Grow, [Char('+')], SPLIT, "more room for the pane with the keys", ""),
    bind!("view.shrink", C::Shrink, [Char('-')], SPLIT, "less room for it", ""),
    bind!("view.wrap", C::Wrap, [Char('W')], TEXTS, "long lines wrapped, or cut", ""),
    bind!("view.next_pane", C::NextPane, [Code(KeyCode::Tab)], PANES, "next pane", "pane"),
    bind!(
        "view.previous_pane",
        C::PreviousPane,
        [Code(KeyCode::BackTab)],
        PANES,
        "previous pane",
        ""
    ),
    bind!(
        "view.freeze",
        C::Freeze,
        [Char('F')],
        SCREENS,
        "hold the view still; data keeps arriving",
        "freeze"
    ),
    bind!("copy", C::Copy, [Char('y')], SCREENS, "copy …", "copy"),
    bind!(
        "export",
        C::Export,
        [Char('e')],
        &[Runs, Live, Samples],
        "write what is shown to a file …",
        "export"
    ),
    bind!("down", C::Down, [Char('j'), Code(KeyCode::Down)], SCROLLING, "down", ""),
    bind!("up", C::Up, [Char('k'), Code(KeyCode::Up)], SCROLLING, "up", ""),
    bind!(
        "page_down",
        C::PageDown,
        [Ctrl('d'), Code(KeyCode::PageDown)],
        SCROLLING,
        "half a page down",
        ""
    ),
    bind!(
        "page_up",
        C::PageUp,
        [Ctrl('u'), Code(KeyCode::PageUp)],
        SCROLLING,
        "half a page up",
        ""
    ),
    bind!(
        "first",
        C::First,
        [Char('g'), Code(KeyCode::Home)],
        &[Runs, Samples, Compare, Launch, Choice],
        "to the first",
        ""
    ),
    bind!("first", C::First, [Code(KeyCode::Home)], &[Live], "to the oldest event", ""),
    bind!(
        "last",
        C::Last,
        [Char('G'), Code(KeyCode::End)],
        SCROLLING,
        "to the last, the newest",
        ""
    ),
    bind!("show.runs", C::ShowRuns, [Char('1'), Alt('1')], SCREENS, "the runs list", ""),
    bind!(
        "show.live",
        C::ShowLive,
        [Char('2'), Alt('2')],
        SCREENS,
        "the live screen of the selected run",
        ""
    ),
    bind!(
        "show.samples",
        C::ShowSamples,
        [Char('3'), Alt('3')],
        SCREENS,
        "the pairs the selected run scored",
        ""
    ),
    bind!(
        "show.compare",
        C::ShowCompare,
        [Char('4'), Alt('4')],
        SCREENS,
        "the marked runs side by side",
        ""
    ),
    bind!(
        "show.launch",
        C::ShowLaunch,
        [Char('5'), Alt('5')],
        SCREENS,
        "the form that starts runs",
        ""
    ),
    bind!("view.theme", C::Theme, [Char('T')], SCREENS, "next theme", ""),
    bind!("view.mouse", C::Mouse, [Char('M')], SCREENS, "mouse for the viewer: on or off", ""),
    bind!(
        "out",
        C::Out,
        [Code(KeyCode::Esc)],
        EVERYWHERE,
        "one layer out; never leaves the viewer",
        ""
    ),
    bind!("live.back", C::Out, [Char('h'), Code(KeyCode::Left)], &[Live], "back to the list", ""),
    bind!(
        "back",
        C::Back,
        [Char('q')],
        &[Runs, Live, Samples, Compare, Launch, Choice],
        "back; at the top leaves, and runs keep going",
        "back"
    ),
    bind!(
        "palette",
        C::Palette,
        [Char(':'), Ctrl('p')],
        SCREENS,
        "every action by name",
        "command"
    ),
    bind!("help", C::Help, [Char('?'), Code(KeyCode::F(1))], SCREENS, "these keys", "help"),
    bind!(
        "quit",
        C::QuitNow,
        [Ctrl('c')],
        EVERYWHERE,
        "leave the viewer at once; no run notices",
        ""
    ),
    bind!("suspend", C::Suspend, [Ctrl('z')], EVERYWHERE, "suspend the viewer; `fg` returns", ""),
    bind!("redraw", C::Redraw, [Ctrl('l')], EVERYWHERE, "draw everything again", ""),
];
