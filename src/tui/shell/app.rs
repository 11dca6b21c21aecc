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

use super::effect::Effect;
use super::message::Message;
use super::model::Model;
use super::update::update;
use super::view;
use crate::tui::feed::data::Interest;
use crate::tui::feed::source::now_ms;
use crate::tui::screens::samples::data::Request;
use crate::tui::terminal;
use crate::tui::terminal::frame::FrameWriter;
use crate::tui::terminal::input::{MOUSE_OFF, MOUSE_ON, PASTE_OFF, PASTE_ON};

/// Shortest time between two frames when a person typed.
const AFTER_INPUT: Duration = Duration::from_millis(33);
/// Shortest time between two frames when data changed.
const AFTER_DATA: Duration = Duration::from_millis(500);
/// Shortest time between two frames of data on a thin line.
const AFTER_DATA_SLOW: Duration = Duration::from_secs(4);
/// How long a frame waits for what it is to tell of another run: both in one frame are half the bytes
/// of one after the other, and the first would only blank what the second fills.
const FOR_DETAILS: Duration = Duration::from_millis(8);
/// How often ages on the screen move on.
const TICK: Duration = Duration::from_secs(1);

/// Where effects go.
pub struct Ports {
    /// To the data thread.
    pub interests: mpsc::Sender<Interest>,
    /// To the thread behind the samples screen.
    pub samples: mpsc::Sender<Request>,
    /// To the thread that changes things.
    pub effects: mpsc::Sender<Effect>,
    /// Gives the terminal back until the shell continues this process.
    pub suspend: Box<dyn FnMut() -> std::io::Result<()>>,
    /// Lends the terminal to an editor; the inner error is the editor's.
    pub edit: Box<Lend>,
}

/// Gives a text to an editor and returns what it was made into.
type Lend = dyn FnMut(&str) -> std::io::Result<std::io::Result<String>>;

/// The running interface.
pub struct App<W> {
    /// Its state.
    pub model: Model,
    /// The line is thin: data is drawn once a second at most.
    pub is_slow: bool,
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
}

impl<W: Write> App<W> {
    /// An interface that has drawn nothing yet.
    pub fn new(model: Model, frames: FrameWriter<W>, ports: Ports) -> Self {
        Self {
            model,
            is_slow: false,
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
        let pause = match message {
            Message::Key(_) | Message::Pasted(_) | Message::Resized { .. } | Message::Continued => {
                AFTER_INPUT
            }
            // The answer to a key, which a person waits for.
            Message::Samples(_) => AFTER_INPUT,
            Message::Snapshot(_) if self.model.is_waiting() => AFTER_INPUT,
            _ if self.is_slow => AFTER_DATA_SLOW,
            _ => AFTER_DATA,
        };
        // A slow link gets fewer frames rather than a queue of them.
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

    /// Tells the terminal which reports are wanted now.
    fn set_modes(&mut self) {
        let wanted =
            Modes { paste: view::context(&self.model).is_text(), mouse: self.model.has_mouse };
        if wanted.paste != self.modes.paste {
            self.frames.queue(if wanted.paste { PASTE_ON } else { PASTE_OFF });
        }
        if wanted.mouse != self.modes.mouse {
            self.frames.queue(if wanted.mouse { MOUSE_ON } else { MOUSE_OFF });
        }
        self.modes = wanted;
    }

    fn execute(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Quit => return true,
            Effect::Redraw => self.frames.forget(),
            Effect::Suspend => {
                self.frames.forget();
                // Giving the terminal back turned everything off.
                self.modes = Modes::default();
                return (self.ports.suspend)().is_err();
            }
            Effect::Edit { text } => return self.edit(&text),
            Effect::Emit(bytes) => self.frames.queue(&bytes),
            // A thread that has ended reported why.
            Effect::Samples(request) => drop(self.ports.samples.send(request)),
            Effect::Watch(interest) => drop(self.ports.interests.send(interest)),
            effect @ (Effect::Ask { .. }
            | Effect::Kill { .. }
            | Effect::Launch(_)
            | Effect::DryRun(_)
            | Effect::Copy { .. }
            | Effect::CopyPrinted { .. }
            | Effect::SavePreset { .. }
            | Effect::EditRuns(_)
            | Effect::Save { .. }) => {
                drop(self.ports.effects.send(effect));
            }
        }
        false
    }

    /// Lends the terminal to the editor; `true` when it cannot be taken back.
    fn edit(&mut self, text: &str) -> bool {
        self.frames.forget();
        self.modes = Modes::default();
        let message = match (self.ports.edit)(text) {
            Err(_) => return true,
            Ok(Ok(text)) => Message::Edited(text),
            Ok(Err(error)) => Message::Failed(format!("the editor: {error}")),
        };
        self.take(message)
    }

    fn draw(&mut self) -> std::io::Result<usize> {
        if self.drawn_at.is_some() {
            terminal::panic_if_asked("render");
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
    struct Terminal(Rc<RefCell<Vec<Vec<u8>>>>);

    impl Write for Terminal {
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
        interests: Vec<Interest>,
        effects: Vec<Effect>,
        n_suspended: usize,
        /// Whether a key ended the loop, rather than the end of the channel.
        was_left: bool,
    }

    /// The real loop over these keys. When none of them leaves, the end of the channel does.
    fn run(keys: &str) -> Run {
        let terminal = Terminal::default();
        let (to_source, interests) = mpsc::channel();
        let (to_executor, effects) = mpsc::channel();
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
            effects: to_executor,
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
            sender.try_send(Message::Key(KeyEvent::new(code, modifiers))).unwrap();
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let was_left = runtime.block_on(async {
            let idle = async {
                // Frames are at most 33 ms apart: then the last one is drawn.
                tokio::time::sleep(Duration::from_millis(120)).await;
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
        let frames = terminal.0.borrow().clone();
        let n_suspended = *n_suspended.borrow();
        drop(app);
        let (interests, effects) = (interests.iter().collect(), effects.iter().collect());
        Run { frames, interests, effects, n_suspended, was_left }
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
        let run = run("jjjjjjjjjjjjkkkkkkkkkkkk\n");
        assert!(run.frames.len() <= 3, "{} frames", run.frames.len());
        let shown = screen(&run.frames);
        assert!(shown.contains("[2 Live]") && shown.contains("accuracy by round"), "{shown}");
        assert!(run.interests.last().unwrap().live && !run.was_left);
    }

    #[test]
    fn effects_reach_their_threads_and_a_key_leaves() {
        let run = run("pxy\x1aq");
        assert_eq!(run.effects.len(), 2, "{:?}", run.effects);
        assert_eq!(run.n_suspended, 1);
        assert!(run.was_left);
    }
}
