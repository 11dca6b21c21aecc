//! Random bytes at the shipped binary: it stays, and gives the terminal back however it has to end.

use nix::sys::signal::{Signal, kill};

use super::safety::home_with_run;
use super::*;

/// Everything but what ends the viewer, stops it, or starts a run.
const KEYS: [&[u8]; 62] = [
    b"j",
    b"k",
    b"g",
    b"G",
    b"\x04",
    b"\x15",
    b"\r",
    b"\x1b",
    b"h",
    b"l",
    b"1",
    b"2",
    b"3",
    b"4",
    b"5",
    b"7",
    b"0",
    b"?",
    b":",
    b"/",
    b"s",
    b"S",
    b"n",
    b"N",
    b"p",
    b"x",
    b"X",
    b"y",
    b"R",
    b"J",
    b"K",
    b"m",
    b"F",
    b"T",
    b"M",
    b"z",
    b"u",
    b"\x12",
    b"\x0c",
    b"\x10",
    b"\x0e",
    b"\x1b[A",
    b"\x1b[B",
    b"\x1b[5~",
    b"\x1b[H",
    b"[",
    b"O",
    b"a",
    b"f",
    b"b",
    b"c",
    b"d",
    b"o",
    b"r",
    b"v",
    b"V",
    b"=",
    b"#",
    b"*",
    b" ",
    b"<",
    "漢".as_bytes(),
];

struct Random(u64);

impl Random {
    fn next(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }
}

fn type_at_random(seed: u64, n_keys: usize) {
    let mut random = Random(seed * 0x9e37_79b9_7f4a_7c15 + 1);
    let home = home_with_run("0", &[]);
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    for i in 0..n_keys {
        session.press(KEYS[random.next(KEYS.len())]);
        if i % 40 == 0 {
            let (rows, cols) = (1 + random.next(60) as u16, 1 + random.next(200) as u16);
            let size = PtySize { rows, cols, ..PtySize::default() };
            session.master.as_ref().unwrap().resize(size).unwrap();
            session.screen.screen_mut().set_size(rows, cols);
        }
        if i % 8 == 0 {
            session.settle(Duration::from_millis(1));
        }
        assert!(session.child.try_wait().unwrap().is_none(), "seed {seed}: gone after key {i}");
    }
    if seed.is_multiple_of(2) {
        kill(session.pid(), Signal::SIGTERM).unwrap();
    } else {
        session.press(b"\x03");
    }
    // What was typed before is done first, which takes a while on a busy machine.
    session.wait_for_exit(seconds(30));
    assert_restored(&session);
}

#[test]
fn whatever_is_typed_the_terminal_is_given_back() {
    for seed in 0..2 {
        type_at_random(seed, 300);
    }
}

/// `cargo test --release --test main -- --ignored monkeys_at_a_terminal`
#[test]
#[ignore = "takes minutes"]
fn monkeys_at_a_terminal() {
    for seed in 0..50 {
        type_at_random(seed, 2_000);
    }
}
