//! Scans the tokens of a template before it is compiled.
//!
//! Where `minijinja` computes something differently from Jinja, the tokens are rewritten so that a
//! filter of this program computes it (`a ~ b`, `'…' % b`, `a[1:]`, `a['items']`, `for x in a`), or
//! the template is refused with the line and the reason. No template is silently rendered
//! differently.

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

mod operands;

/// Jinja statements that no chat template needs; they are refused.
const STATEMENTS: [&str; 7] =
    ["autoescape", "block", "extends", "from", "import", "include", "print"];
/// Names that have a meaning in Jinja and none here; they are refused.
const NAMES: [&str; 3] = ["kwargs", "self", "varargs"];
/// Methods of dictionaries: read without a call they are methods in Jinja, and keys here.
const DICT_METHODS: [&str; 11] = [
    "clear",
    "copy",
    "fromkeys",
    "get",
    "items",
    "keys",
    "pop",
    "popitem",
    "setdefault",
    "update",
    "values",
];
/// Other attributes that Python has without a call.
const ATTRIBUTES: [&str; 17] = [
    "capitalize",
    "catch_kwargs",
    "catch_varargs",
    "endswith",
    "imag",
    "lower",
    "lstrip",
    "numerator",
    "real",
    "removeprefix",
    "removesuffix",
    "rstrip",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "upper",
];
/// What every template is given.
const GIVEN: [&str; 4] = ["messages", "tools", "documents", "add_generation_prompt"];

/// How strong an operator binds: `+`, `~`, `%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Sum,
    Join,
    Product,
}

struct Scan<'a> {
    source: &'a str,
    tokens: Vec<Token<'a>>,
    /// First and last byte of each token, and its line.
    places: Vec<(usize, usize, u16)>,
    /// Texts that replace bytes, as (place, order, first byte, text). At one place a closing text
    /// comes before an opening one, and of closing texts the one of the shorter range comes first.
    edits: Vec<(usize, usize, usize, String)>,
    blocks: Vec<Block<'a>>,
    /// The globals that the macros so far read.
    read_by_macros: Vec<&'static str>,
    /// Whether a filter marks texts as safe.
    marks_safe: bool,
}

/// A tag that is open.
struct Block<'a> {
    name: &'a str,
    has_continue: bool,
    is_recursive: bool,
}

/// The template as `minijinja` is to compile it.
///
/// # Errors
/// In words, with the line, when it is not Jinja or would be rendered otherwise than in transformers.
pub(super) fn rewritten(source: &str, syntax: SyntaxConfig) -> Result<String, String> {
    if let Some(letter) = source.chars().find(|letter| matches!(letter, '\u{1c}'..='\u{1f}')) {
        return Err(format!("the letter {letter:?} in a template"));
    }
    let mut scan = Scan {
        source,
        tokens: Vec::new(),
        places: Vec::new(),
        edits: Vec::new(),
        blocks: Vec::new(),
        read_by_macros: Vec::new(),
        marks_safe: false,
    };
    for token in tokenize(source, false, syntax) {
        let (token, span) = token.map_err(|error| super::in_words(&error))?;
        scan.tokens.push(token);
        scan.places.push((span.start_offset as usize, span.end_offset as usize, span.start_line));
    }
    let marks = |pair: &[Token<'_>]| {
        matches!(pair, [Token::Pipe, Token::Ident("safe" | "e" | "escape" | "forceescape")])
    };
    scan.marks_safe = scan.tokens.windows(2).any(marks);
    scan.raw_blocks()?;
    for at in 0..scan.tokens.len() {
        scan.look(at).map_err(|detail| format!("line {}: {detail}", scan.places[at].2))?;
    }
    Ok(scan.edited())
}

fn other(what: &str) -> Result<(), String> {
    Err(format!("{what} is computed otherwise here than in transformers"))
}

impl<'a> Scan<'a> {
    fn edited(mut self) -> String {
        self.edits.sort_by_key(|(at, order, ..)| (*at, *order));
        let mut out = String::with_capacity(self.source.len() + 64);
        let mut done = 0;
        for (at, _, end, text) in &self.edits {
            out.push_str(&self.source[done..*at]);
            out.push_str(text);
            done = *end;
        }
        out + &self.source[done..]
    }

    fn replace(&mut self, token: usize, text: &str) {
        let (start, end, _) = self.places[token];
        self.edits.push((start, usize::MAX, end, text.to_owned()));
    }

    /// Puts a text before or behind what stands from one token to another.
    fn wrap(&mut self, first: usize, last: usize, before: &str, behind: &str) {
        let (start, end) = (self.places[first].0, self.places[last].1);
        self.edits.push((start, usize::MAX, start, before.to_owned()));
        self.edits.push((end, self.source.len() - start, end, behind.to_owned()));
    }

    /// `{% raw %}` at the end of a line keeps the line's end in Jinja.
    fn raw_blocks(&self) -> Result<(), String> {
        let mut tags = self.source.match_indices("{%");
        let is_raw = |(at, _): &(usize, &str)| {
            let tag = self.source[at + 2..].trim_start_matches(['-', '+']).trim_start();
            tag.strip_prefix("raw").is_some_and(|tag| tag.trim_start().starts_with("%}\n"))
        };
        match tags.find(is_raw) {
            Some((at, _)) => {
                let line = self.source[..at].lines().count();
                other("`raw` at the end of a line")
                    .map_err(|detail| format!("line {line}: {detail}"))
            }
            None => Ok(()),
        }
    }

    fn name(&self, at: usize) -> Option<&'a str> {
        match self.tokens.get(at) {
            Some(Token::Ident(name)) => Some(name),
            _ => None,
        }
    }

    fn is(&self, at: usize, test: fn(&Token<'a>) -> bool) -> bool {
        self.tokens.get(at).is_some_and(test)
    }

    fn look(&mut self, at: usize) -> Result<(), String> {
        match self.tokens[at] {
            Token::BlockStart => self.statement(at)?,
            Token::Ident(name) => self.ident(at, name)?,
            Token::Tilde => self.both(at, Level::Join, "_text"),
            // Python escapes what is added to a text that is marked as safe.
            Token::Plus if self.marks_safe && self.ends_operand(at - 1) => {
                self.both(at, Level::Sum, "_plain");
            }
            Token::Mod => self.percent(at),
            Token::BracketOpen if self.ends_operand(at.wrapping_sub(1)) => self.subscript(at)?,
            Token::Str(_) | Token::String(_) => {
                let (start, end, _) = self.places[at];
                let mut after = self.source[start..end].split('\\').skip(1);
                if after.any(|rest| rest.starts_with(|letter: char| !letter.is_ascii())) {
                    return other("a backslash before such a letter");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ident(&mut self, at: usize, name: &'a str) -> Result<(), String> {
        let next = at + 1;
        let is_called = self.is(next, |token| matches!(token, Token::ParenOpen));
        let before = at.checked_sub(1).map(|at| &self.tokens[at]);
        match before {
            Some(Token::Dot) => {
                if (DICT_METHODS.contains(&name) || ATTRIBUTES.contains(&name)) && !is_called {
                    return other(&format!("`.{name}` without a call (`['{name}']` is a key)"));
                }
                if name == "cycle"
                    && is_called
                    && self.is(at + 2, |t| matches!(t, Token::ParenClose))
                {
                    return other("`cycle` of nothing");
                }
            }
            Some(Token::Pipe) => {}
            _ if NAMES.contains(&name)
                && !self.is(next, |token| matches!(token, Token::Assign)) =>
            {
                return other(&format!("`{name}`"));
            }
            _ if name == "loop" && self.is(next, |token| matches!(token, Token::Pipe)) => {
                return other("a filter of `loop`");
            }
            _ => {}
        }
        Ok(())
    }

    /// A tag, by the word it begins with.
    fn statement(&mut self, at: usize) -> Result<(), String> {
        let Some(word) = self.name(at + 1) else { return Ok(()) };
        let Some(end) =
            (at..self.tokens.len()).find(|at| matches!(self.tokens[*at], Token::BlockEnd))
        else {
            return Ok(());
        };
        if STATEMENTS.contains(&word) {
            return other(&format!("`{word}`"));
        }
        let is_set_block =
            word == "set" && !(at..end).any(|at| matches!(self.tokens[at], Token::Assign));
        match word {
            "for" => self.for_loop(at, end),
            "generation" => self.replace(at + 1, "with"),
            "endgeneration" => self.replace(at + 1, "endwith"),
            "with" | "macro" | "call" => self.shadowed(at, end, word)?,
            "set" if is_set_block => {
                let mark = self.mark(self.places[end].1 - 3);
                let behind = self.places[end].1;
                self.edits.push((behind, usize::MAX, behind, format!("{{% with {mark}%}}")));
            }
            "set" => self.set_given(at)?,
            "endset" => {
                let start = self.places[at].0;
                let mark = self.mark(start + 2);
                self.edits.push((start, usize::MAX, start, format!("{{%{mark} endwith %}}")));
            }
            "break" | "continue" => self.leave(word)?,
            "else" => {
                let block = self.blocks.last().filter(|block| block.name == "for");
                if block.is_some_and(|block| block.has_continue || block.is_recursive) {
                    return other("`else` of a loop with `continue` or `recursive`");
                }
            }
            _ => {}
        }
        let opens =
            matches!(word, "for" | "if" | "macro" | "call" | "with" | "filter" | "generation");
        if opens || is_set_block {
            let is_recursive = (at..end).any(|at| self.name(at) == Some("recursive"));
            if word == "macro" {
                let reads = self.reads(end);
                self.read_by_macros.extend(reads);
            }
            self.blocks.push(Block { name: word, has_continue: false, is_recursive });
        } else if word.starts_with("end") {
            self.blocks.pop();
        }
        Ok(())
    }

    /// The mark of white space (`-`, `+`) at a byte of a tag.
    fn mark(&self, at: usize) -> &'a str {
        self.source.get(at..=at).filter(|mark| ["-", "+"].contains(mark)).unwrap_or_default()
    }

    /// `for x in value`: a value without items fails in Python, and one of several is a tuple.
    fn for_loop(&mut self, at: usize, end: usize) {
        let Some(start) = (at..end).find(|at| self.name(*at) == Some("in")) else { return };
        let mut depth = 0;
        let is_end = |at: &usize| {
            let token = &self.tokens[*at];
            depth += i32::from(opens(token)) - i32::from(closes(token));
            depth == 0 && matches!(token, Token::BlockEnd | Token::Ident("if" | "recursive"))
        };
        if let Some(stop) = (start + 1..=end).find(is_end).filter(|stop| *stop > start + 1) {
            self.wrap(start + 1, stop - 1, "(", ")|_iter");
        }
    }

    /// `with a = 1, b = a` and `macro f(a, b=a)`: in Jinja the second `a` is another one.
    fn shadowed(&self, at: usize, end: usize, word: &str) -> Result<(), String> {
        let is_value = |at: usize| {
            !self.is(at + 1, |token| matches!(token, Token::Assign))
                && !matches!(self.tokens[at - 1], Token::Dot)
        };
        let assigned = |at: &usize| self.is(at + 1, |token| matches!(token, Token::Assign));
        let names = |to: usize| {
            let named = (at + 2..to).filter(|at| self.name(*at).is_some());
            named.filter(move |at| {
                assigned(at)
                    || (word != "with"
                        && matches!(self.tokens[at - 1], Token::ParenOpen | Token::Comma))
            })
        };
        let mut last_assign = None;
        for here in at + 2..end {
            if matches!(self.tokens[here], Token::Assign) {
                last_assign = Some(here - 1);
            }
            let Some(name) = self.name(here).filter(|_| is_value(here)) else { continue };
            let Some(assign) = last_assign.filter(|assign| *assign < here) else { continue };
            let mut known = names(if word == "with" { assign } else { end });
            if self.is(here - 1, |token| !matches!(token, Token::ParenOpen | Token::Comma))
                && known.any(|at| at != here && self.name(at) == Some(name))
            {
                return other(&format!("`{name}` as a value beside where it is named"));
            }
        }
        Ok(())
    }

    /// What a macro that begins behind `at` reads of what every template is given.
    fn reads(&self, at: usize) -> Vec<&'static str> {
        let ends = |at: &usize| {
            matches!(self.tokens[at - 1], Token::BlockStart) && self.name(*at) == Some("endmacro")
        };
        let end = (at + 1..self.tokens.len()).find(ends).unwrap_or(self.tokens.len());
        let is_read = |name: &&'static str| {
            (at..end).any(|at| {
                self.name(at) == Some(*name) && !matches!(self.tokens[at - 1], Token::Dot)
            })
        };
        GIVEN.into_iter().filter(is_read).collect()
    }

    /// `set tools = …` behind a macro that reads `tools`: before it the macro sees none in Jinja.
    fn set_given(&self, at: usize) -> Result<(), String> {
        let Some(name) = self.name(at + 2) else { return Ok(()) };
        if self.read_by_macros.contains(&name) {
            return other(&format!("`{name}` set behind a macro that reads it"));
        }
        Ok(())
    }

    fn leave(&mut self, word: &str) -> Result<(), String> {
        for block in self.blocks.iter_mut().rev() {
            match block.name {
                "for" => {
                    block.has_continue |= word == "continue";
                    return Ok(());
                }
                "if" => {}
                name => return other(&format!("`{word}` inside of `{name}`")),
            }
        }
        Ok(())
    }
}

fn opens(token: &Token<'_>) -> bool {
    matches!(token, Token::ParenOpen | Token::BracketOpen | Token::BraceOpen)
}

fn closes(token: &Token<'_>) -> bool {
    matches!(token, Token::ParenClose | Token::BracketClose | Token::BraceClose)
}
