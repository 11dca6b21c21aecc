//! The loop: the one place that waits.
//!
//! Threads send messages into one channel; the loop takes all that wait, updates the model with
//! each, and draws once: at most 30 times a second for keys and twice for data, less often when
//! the terminal takes long to read a frame. Frames are never queued: a frame always shows the
//! newest state.

use std::io::Write;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use super::effect::{Effect, Terminal};
use super::message::Message;
use super::model::Model;
use super::recorder::Recorder;
use super::update::update;
use super::view;
use crate::tui::feed::change::Change;
use crate::tui::feed::data::Interest;
use crate::tui::feed::samples::Request;
use crate::tui::feed::source::{Read, now_ms};
use crate::tui::kit::progress::Progress;
use crate::tui::terminal::frame::FrameWriter;
use crate::tui::terminal::guard::{note_progress, panic_if_asked};
use crate::tui::terminal::input::{
    Input, MOUSE_OFF, MOUSE_ON, PASTE_OFF, PASTE_ON, THEME_OFF, THEME_ON,
};

/// Shortest time between two frames after a key: 30 frames a second at most.
const AFTER_INPUT: Duration = Duration::from_millis(33);
/// Shortest time between two frames after data has changed: over ssh every frame costs bytes.
const AFTER_DATA: Duration = Duration::from_millis(500);
/// Shortest time between two frames of data on a thin line.
const AFTER_DATA_SLOW: Duration = Duration::from_secs(4);
/// How long a frame waits for the details of a run that was just selected. One frame with both
/// takes half the bytes of two, and the first would only clear what the second fills.
const FOR_DETAILS: Duration = Duration::from_millis(8);
/// How often ages on the screen move on.
const TICK: Duration = Duration::from_secs(1);

/// How the interface reaches the threads behind it, and the terminal it runs in.
pub struct Ports {
    /// To the data thread.
    pub interests: mpsc::Sender<Interest>,
    /// To the thread behind the samples screen.
    pub samples: mpsc::Sender<Request>,
    pub changes: mpsc::Sender<Change>,
    /// Gives the terminal back until the shell continues this process.
    pub suspend: Box<dyn FnMut() -> std::io::Result<()>>,
    /// Lends the terminal to an editor; the inner error is the editor's.
    pub edit: Box<Lend>,
}

/// Gives a text to an editor and returns what it was made into.
type Lend = dyn FnMut(&str) -> std::io::Result<std::io::Result<String>>;

/// The interface as it runs: what it shows, and where its frames go.
pub struct App<W> {
    pub model: Model,
    /// The line is thin: data is drawn once a second at most.
    pub is_slow: bool,
    /// Whether the terminal is told how far a run has come.
    pub tells_progress: bool,
    /// The last inputs, for whoever looks into a panic.
    pub recorder: Recorder,
    frames: FrameWriter<W>,
    ports: Ports,
    drawn_at: Option<Instant>,
    /// How long the terminal took to take the last frame.
    write_time: Duration,
    /// When the next frame is due; `None` while the screen is up to date.
    due: Option<Instant>,
    /// When details were asked for first since the last frame.
    asked: Option<Instant>,
    /// The modes of the terminal as it was told last.
    modes: Modes,
}

/// What the terminal reports beside keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Modes {
    /// Pastes come bracketed, which only a text field wants.
    paste: bool,
    /// Clicks and the wheel come as reports.
    mouse: bool,
    /// The theme of the terminal comes as a report.
    theme: bool,
    /// How far a run has come, as the terminal shows it.
    progress: Progress,
}

impl<W: Write> App<W> {
    /// An interface that has drawn nothing yet.
    pub fn new(model: Model, frames: FrameWriter<W>, ports: Ports) -> Self {
        Self {
            model,
            is_slow: false,
            tells_progress: false,
            recorder: Recorder::default(),
            frames,
            ports,
            drawn_at: None,
            write_time: Duration::ZERO,
            due: Some(Instant::now()),
            asked: None,
            modes: Modes::default(),
        }
    }

    /// Runs until a person leaves or every sender of messages is gone.
    pub async fn run(&mut self, messages: &mut Receiver<Message>) {
        let _ = self.ports.interests.send(self.model.interest.clone());
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.due.is_some_and(|due| due <= Instant::now()) && self.draw().is_err() {
                // The terminal is gone; so is the person.
                return;
            }
            let due = self.due.unwrap_or_else(|| Instant::now() + TICK);
            let first = tokio::select! {
                // Messages first: a frame that is due shows what they change.
                biased;
                message = messages.recv() => message,
                _ = ticks.tick() => Some(Message::Tick { now_ms: now_ms() }),
                () = sleep_until(due.into()), if self.due.is_some() => continue,
            };
            let Some(first) = first else { return };
            let mut next = Some(first);
            while let Some(message) = next {
                if self.take(message) {
                    return;
                }
                next = messages.try_recv().ok();
                if self.due.is_some_and(|due| due <= Instant::now()) {
                    // A flood of messages must not hold back the screen.
                    if next.is_none() || self.draw().is_err() {
                        break;
                    }
                }
            }
        }
    }

    /// Updates with one message and does what it asks for; `true` to leave.
    fn take(&mut self, message: Message) -> bool {
        self.recorder.record(&message);
        let pause = self.pause_before(&message);
        // On a slow link fewer frames are drawn, instead of queueing them.
        let pause = pause.max(self.write_time * 4);
        let due = self.drawn_at.map_or_else(Instant::now, |at| at + pause);
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
        let effects = update(&mut self.model, message);
        let asks = effects.iter().any(|effect| matches!(effect, Effect::Watch(_)));
        if asks && self.model.is_waiting() {
            let asked = *self.asked.get_or_insert_with(Instant::now);
            self.due = self.due.map(|due| due.max(asked + FOR_DETAILS));
        }
        let leaves = effects.into_iter().any(|effect| self.execute(effect));
        self.set_modes();
        leaves
    }

    /// The shortest time between the last frame and the one that shows what this message changes.
    fn pause_before(&self, message: &Message) -> Duration {
        let after_data = if self.is_slow { AFTER_DATA_SLOW } else { AFTER_DATA };
        match message {
            Message::Input(
                Input::Key(_)
                | Input::Pasted(_)
                | Input::Resized { .. }
                | Input::Background { .. }
                | Input::Continued,
            )
            // The answer to a key, which a person waits for.
            | Message::Samples(_) => AFTER_INPUT,
            Message::Read(Read::Snapshot(_)) if self.model.is_waiting() => AFTER_INPUT,
            Message::Input(Input::Mouse { .. } | Input::Leave)
            | Message::Tick { .. }
            | Message::Read(_)
            | Message::Answer(_)
            | Message::Edited(_) => after_data,
        }
    }

    /// Tells the terminal which reports are wanted now.
    fn set_modes(&mut self) {
        let wanted = Modes {
            paste: self.model.context().is_text(),
            mouse: self.model.has_mouse,
            theme: self.model.follows_terminal,
            progress: if self.tells_progress { self.model.progress() } else { Progress::None },
        };
        if wanted.paste != self.modes.paste {
            self.frames.queue(if wanted.paste { PASTE_ON } else { PASTE_OFF });
        }
        if wanted.mouse != self.modes.mouse {
            self.frames.queue(if wanted.mouse { MOUSE_ON } else { MOUSE_OFF });
        }
        if wanted.theme != self.modes.theme {
            self.frames.queue(if wanted.theme { THEME_ON } else { THEME_OFF });
        }
        if wanted.progress != self.modes.progress {
            note_progress(wanted.progress != Progress::None);
            self.frames.queue(&wanted.progress.bytes());
        }
        self.modes = wanted;
    }

    /// Hands an effect to whoever does it; `true` when the loop is to end.
    fn execute(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Terminal(effect) => return self.on_terminal(effect),
            // A thread that has ended reported why.
            Effect::Samples(request) => drop(self.ports.samples.send(request)),
            Effect::Watch(interest) => drop(self.ports.interests.send(interest)),
            Effect::Change(change) => drop(self.ports.changes.send(change)),
        }
        false
    }

    fn on_terminal(&mut self, effect: Terminal) -> bool {
        match effect {
            Terminal::Quit => return true,
            Terminal::Redraw => self.frames.forget(),
            Terminal::Suspend => {
                self.frames.forget();
                // Giving the terminal back turned everything off.
                self.modes = Modes::default();
                return (self.ports.suspend)().is_err();
            }
            Terminal::Edit { text } => return self.edit(&text),
            Terminal::Emit(bytes) => self.frames.queue(&bytes),
        }
        false
    }

    /// Lends the terminal to the editor; `true` when it cannot be taken back.
    fn edit(&mut self, text: &str) -> bool {
        self.frames.forget();
        self.modes = Modes::default();
        let message = match (self.ports.edit)(text) {
            Err(_) => return true,
            Ok(Ok(text)) => Message::Edited(Ok(text)),
            Ok(Err(error)) => Message::Edited(Err(format!("the editor: {error}"))),
        };
        self.take(message)
    }

    fn draw(&mut self) -> std::io::Result<usize> {
        if self.drawn_at.is_some() {
            panic_if_asked("render");
        }
        let started = Instant::now();
        let model = &self.model;
        let n_bytes = self.frames.draw(model.size, |buffer| view::draw(model, buffer));
        self.write_time = started.elapsed();
        self.drawn_at = Some(Instant::now());
        (self.due, self.asked) = (None, None);
        n_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io;
    use std::rc::Rc;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::tui::tests::fixtures::{model, running_data, twelve_runs};

    /// A terminal that keeps what it was sent.
    #[derive(Clone, Default)]
    struct FakeTerminal(Rc<RefCell<Vec<Vec<u8>>>>);

    impl Write for FakeTerminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Run {
        frames: Vec<Vec<u8>>,
        elapsed: Duration,
        interests: Vec<Interest>,
        changes: Vec<Change>,
        n_suspended: usize,
        /// Whether a key ended the loop, rather than the end of the channel.
        was_left: bool,
    }

    /// How long a loaded machine may take.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// The real loop over these keys. When none of them leaves, the end of the channel does, as soon as
    /// all of `awaited` is on the screen.
    fn run(keys: &str, awaited: &[&str]) -> Run {
        let terminal = FakeTerminal::default();
        let (to_source, interests) = mpsc::channel();
        let (to_executor, changes) = mpsc::channel();
        let n_suspended = Rc::new(RefCell::new(0));
        let counter = Rc::clone(&n_suspended);
        let suspend = Box::new(move || {
            *counter.borrow_mut() += 1;
            Ok(())
        });
        let (samples, _requests) = mpsc::channel();
        let ports = Ports {
            interests: to_source,
            samples,
            changes: to_executor,
            suspend,
            edit: Box::new(|text| Ok(Ok(text.to_owned()))),
        };
        let start = model(80, 24, twelve_runs(), Some(running_data()));
        let mut app = App::new(start, FrameWriter::new(terminal.clone(), false), ports);
        let (sender, mut messages) = channel(64);
        for c in keys.chars() {
            let (code, modifiers) = match c {
                '\n' => (KeyCode::Enter, KeyModifiers::NONE),
                '\x1a' => (KeyCode::Char('z'), KeyModifiers::CONTROL),
                c => (KeyCode::Char(c), KeyModifiers::NONE),
            };
            let key = Input::Key(KeyEvent::new(code, modifiers));
            sender.try_send(Message::Input(key)).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let begun = Instant::now();
        let was_left = runtime.block_on(async {
            let idle = async {
                let is_shown = || {
                    let shown = screen(&terminal.0.borrow());
                    awaited.iter().all(|words| shown.contains(words))
                };
                while !is_shown() && begun.elapsed() < PATIENCE {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                drop(sender);
            };
            let mut idle = std::pin::pin!(idle);
            let mut was_idle = false;
            let run = app.run(&mut messages);
            let mut run = std::pin::pin!(run);
            loop {
                tokio::select! {
                    () = &mut run => return !was_idle,
                    () = &mut idle, if !was_idle => was_idle = true,
                }
            }
        });
        let elapsed = begun.elapsed();
        let frames = terminal.0.borrow().clone();
        let n_suspended = *n_suspended.borrow();
        drop(app);
        let (interests, changes) = (interests.iter().collect(), changes.iter().collect());
        Run { frames, elapsed, interests, changes, n_suspended, was_left }
    }

    fn screen(frames: &[Vec<u8>]) -> String {
        let mut parser = vt100::Parser::new(24, 80, 0);
        for frame in frames {
            parser.process(frame);
        }
        parser.screen().contents()
    }

    #[test]
    fn many_keys_are_few_frames_and_the_last_one_is_true() {
        let awaited = ["[2 Live]", "accuracy by round"];
        let run = run("jjjjjjjjjjjjkkkkkkkkkkkk\n", &awaited);
        let shown = screen(&run.frames);
        assert!(awaited.iter().all(|words| shown.contains(words)), "{shown}");
        // The first frame, and then one each time that the pause after a key has passed.
        let n_most = 2 + run.elapsed.as_millis() / AFTER_INPUT.as_millis();
        assert!(run.frames.len() as u128 <= n_most, "{} frames", run.frames.len());
        assert!(run.interests.last().unwrap().live && !run.was_left);
    }

    #[test]
    fn effects_reach_their_threads_and_a_key_leaves() {
        let run = run("pxy\x1aq", &["a key leaves before this is shown"]);
        assert_eq!(run.changes.len(), 2, "{:?}", run.changes);
        assert_eq!(run.n_suspended, 1);
        assert!(run.was_left);
    }
}
