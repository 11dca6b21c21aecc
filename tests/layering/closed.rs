//! A `match` over a closed enum names every variant: a new one is then a question that the compiler
//! asks at each place, and not something that falls through an arm written before it.

use super::{is_test_module, modules};

/// The enums over which no arm may take everything: what happens to the interface, what it asks for,
/// and what happens in a run.
const CLOSED: &[&str] = &[
    "Message",
    "Input",
    "Read",
    "Found",
    "Answer",
    "Effect",
    "Terminal",
    "Request",
    "Change",
    "Then",
    "Chosen",
    "Purpose",
    "Command",
    "Motion",
    "ShowCommand",
    "ViewerCommand",
    "PopupCommand",
    "ListCommand",
    "PaneCommand",
    "WorkerCommand",
    "RunsCommand",
    "LiveCommand",
    "SamplesCommand",
    "CompareCommand",
    "LaunchCommand",
    "RunEvent",
];

/// The text with the letters of comments, strings and characters blanked, so that braces in them do
/// not count; lines stay where they are.
fn code_only(text: &str) -> Vec<char> {
    let chars: Vec<char> = text.chars().collect();
    let mut out = chars.clone();
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => end_of(&chars, at, &['\n']),
            'r' if !is_word(&chars, at, -1) && is_raw_string(&chars, at) => {
                let n_hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
                let mut close = vec!['"'];
                close.extend(std::iter::repeat_n('#', n_hashes));
                end_of(&chars, at + 2 + n_hashes, &close)
            }
            '"' => {
                let mut end = at + 1;
                while chars[end] != '"' {
                    end += if chars[end] == '\\' { 2 } else { 1 };
                }
                end + 1
            }
            '\'' if chars.get(at + 1) == Some(&'\\') => end_of(&chars, at + 3, &['\'']),
            '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
            _ => {
                at += 1;
                continue;
            }
        };
        for c in out[at..end].iter_mut().filter(|c| **c != '\n') {
            *c = ' ';
        }
        at = end;
    }
    out
}

fn is_raw_string(chars: &[char], at: usize) -> bool {
    chars[at + 1..].iter().find(|c| **c != '#') == Some(&'"')
}

fn end_of(chars: &[char], from: usize, close: &[char]) -> usize {
    let found = chars[from..].windows(close.len()).position(|window| window == close);
    found.map_or(chars.len(), |found| from + found + close.len())
}

fn is_word(chars: &[char], at: usize, step: isize) -> bool {
    let beside = at.checked_add_signed(step).and_then(|at| chars.get(at));
    beside.is_some_and(|c| c.is_alphanumeric() || *c == '_')
}

/// The first place from `from` on, outside every bracket that opens there, where `is_end` holds.
fn outside(code: &[char], from: usize, is_end: impl Fn(usize) -> bool) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < code.len() && !(depth == 0 && is_end(at)) {
        match code[at] {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// The patterns of the `match` whose keyword ends at `from`, each with its place.
fn patterns(code: &[char], from: usize) -> Vec<(usize, String)> {
    let mut at = outside(code, from, |at| code[at] == '{') + 1;
    let mut found = Vec::new();
    loop {
        let is_arrow = |at: usize| code[at] == '=' && code.get(at + 1) == Some(&'>');
        let end = outside(code, at, |at| is_arrow(at) || code[at] == '}');
        if end >= code.len() || code[end] == '}' {
            return found;
        }
        let pattern: String = code[at..end].iter().collect();
        found.push((end, pattern.trim().to_owned()));
        at = end + 2;
        while code[at].is_whitespace() {
            at += 1;
        }
        if code[at] == '{' {
            at = outside(code, at + 1, |at| code[at] == '}') + 1;
            while code[at].is_whitespace() || code[at] == ',' {
                at += 1;
            }
        } else {
            at = outside(code, at, |at| matches!(code[at], ',' | '}'));
            at += usize::from(code[at] == ',');
        }
    }
}

/// Whether a pattern takes whatever no other one took.
fn takes_all(pattern: &str) -> bool {
    let pattern = pattern.split(" if ").next().unwrap_or_default().trim();
    let begins_low = pattern.starts_with(|c: char| c == '_' || c.is_lowercase());
    let is_name = begins_low && pattern.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name || pattern == "(_, _)"
}

/// Lines of arms that take everything in a `match` over a closed enum.
fn offences(text: &str) -> Vec<usize> {
    let production = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = code_only(production);
    // `use …::SamplesCommand as S`
    let words: Vec<&str> = production.split_whitespace().collect();
    let renamed = words.windows(3).filter(|three| three[1] == "as");
    let mut names: Vec<String> = CLOSED.iter().map(|name| (*name).to_owned()).collect();
    for three in renamed {
        let original = three[0].rsplit("::").next().unwrap_or_default();
        if CLOSED.contains(&original) {
            names.push(three[2].trim_end_matches([';', ',', '}']).to_owned());
        }
    }
    let is_closed = |pattern: &str| {
        names.iter().any(|name| {
            let place = pattern.find(&format!("{name}::"));
            place.is_some_and(|at| {
                !pattern[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
    };
    let mut found = Vec::new();
    let keyword = ['m', 'a', 't', 'c', 'h'];
    for at in 0..code.len().saturating_sub(keyword.len()) {
        let end = at + keyword.len();
        if code[at..end] != keyword || is_word(&code, at, -1) || is_word(&code, end, 0) {
            continue;
        }
        // `matches!` and a field called `match_…` are no such thing.
        if code[end] == '!' {
            continue;
        }
        let arms = patterns(&code, end);
        if arms.iter().any(|(_, pattern)| is_closed(pattern)) {
            let all = arms.iter().filter(|(_, pattern)| takes_all(pattern));
            found.extend(all.map(|(at, _)| 1 + code[..*at].iter().filter(|c| **c == '\n').count()));
        }
    }
    found
}

#[test]
fn no_arm_takes_everything_of_a_closed_enum() {
    let mut found = Vec::new();
    for (path, text) in modules().into_values().flatten() {
        if !is_test_module(&path) {
            let lines = offences(&text).into_iter();
            found.extend(lines.map(|line| format!("src/{}:{line}", path.display())));
        }
    }
    assert!(found.is_empty(), "an arm takes every other variant:\n{}", found.join("\n"));
}

#[test]
fn the_check_itself_sees_arms() {
    let one = |arms: &str| offences(&format!("fn f() {{\n    match it {{\n{arms}\n    }}\n}}"));
    assert_eq!(one("Message::Tick { .. } => 1,\n_ => 2,"), [4]);
    assert_eq!(one("Some(RunEvent::Paused { .. }) => { \"}\"; 1 }\nother => 2,"), [4]);
    assert_eq!(one("Effect::Watch(_) => match size { 1 => '{', _ => '}' },"), [0; 0]);
    assert_eq!(one("MyMessage::A => 1,\n_ => 2,"), [0; 0]);
    let renamed =
        "use super::command::SamplesCommand as S;\nfn f() { match it { S::Veto => 1, _ => 2 } }";
    assert_eq!(offences(renamed), [2]);
}
