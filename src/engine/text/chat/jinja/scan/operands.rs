//! Operators that are rewritten: the operands they stand between, and how strongly they bind.

use minijinja::machinery::Token;

use super::{DICT_METHODS, Level, Scan, closes, opens, other};

impl Scan<'_> {
    /// Whether a token can end a value, so that an operator after it belongs to that value.
    pub(super) fn ends_operand(&self, at: usize) -> bool {
        match self.tokens.get(at) {
            Some(Token::Ident(name)) => {
                !is_word(name) || matches!(self.tokens.get(at.wrapping_sub(1)), Some(Token::Dot))
            }
            Some(token) => closes(token) || is_literal(token),
            None => false,
        }
    }

    /// Whether a token binds no stronger than an operator of this level, so that its operands end there.
    fn is_weak(&self, at: usize, level: Level) -> bool {
        match &self.tokens[at] {
            Token::Tilde => level > Level::Sum,
            Token::Mul | Token::Div | Token::FloorDiv | Token::Mod => level == Level::Product,
            Token::Ident(name) => is_word(name) && *name != "is" && !self.is_name_of(at),
            Token::Plus | Token::Minus => at > 0 && self.ends_operand(at - 1),
            token => matches!(
                token,
                Token::Eq
                    | Token::Ne
                    | Token::Gt
                    | Token::Gte
                    | Token::Lt
                    | Token::Lte
                    | Token::Assign
                    | Token::Comma
                    | Token::Colon
                    | Token::VariableStart
                    | Token::VariableEnd
                    | Token::BlockStart
                    | Token::BlockEnd
                    | Token::TemplateData(_)
            ),
        }
    }

    /// Whether a word is the name of an attribute or a test (`x is not none`).
    fn is_name_of(&self, at: usize) -> bool {
        let before = |n: usize| at.checked_sub(n).and_then(|at| self.tokens.get(at));
        matches!(before(1), Some(Token::Dot | Token::Ident("is")))
            || (matches!(before(1), Some(Token::Ident("not")))
                && matches!(before(2), Some(Token::Ident("is"))))
    }

    /// The first token of the operand that ends before `at`.
    fn left(&self, at: usize, level: Level) -> usize {
        let (mut first, mut depth) = (at, 0);
        while first > 0 {
            let token = &self.tokens[first - 1];
            if closes(token) {
                depth += 1;
            } else if opens(token) {
                if depth == 0 {
                    break;
                }
                depth -= 1;
            } else if depth == 0 && self.is_weak(first - 1, level) {
                break;
            }
            first -= 1;
        }
        first
    }

    /// The last token of the operand that begins behind `at`.
    fn right(&self, at: usize, level: Level) -> usize {
        let (mut last, mut depth) = (at, 0);
        while last + 1 < self.tokens.len() {
            let token = &self.tokens[last + 1];
            let ends = self.is_weak(last + 1, level);
            if opens(token) {
                depth += 1;
            } else if closes(token) {
                if depth == 0 {
                    break;
                }
                depth -= 1;
            } else if depth == 0 && ends {
                break;
            }
            last += 1;
        }
        last
    }

    /// Puts both sides of an operator through a filter.
    pub(super) fn both(&mut self, at: usize, level: Level, filter: &str) {
        let (first, last) = (self.left(at, level), self.right(at, level));
        let is_done = first > 0
            && match (&self.tokens[first - 1], level) {
                (Token::Tilde, Level::Join) => true,
                (Token::Plus, Level::Sum) => first > 1 && self.ends_operand(first - 2),
                _ => false,
            };
        let behind = format!(")|{filter}");
        if !is_done {
            self.wrap(first, at - 1, "(", &behind);
        }
        if last > at {
            self.wrap(at + 1, last, "(", &behind);
        }
    }

    /// `'…' % values`, which is a remainder to `minijinja`.
    pub(super) fn percent(&mut self, at: usize) {
        let (first, last) = (self.left(at, Level::Join), self.right(at, Level::Product));
        let is_text = (first..at).all(|at| {
            matches!(
                self.tokens[at],
                Token::Str(_) | Token::String(_) | Token::ParenOpen | Token::ParenClose
            )
        });
        if is_text && first < at && last > at {
            self.wrap(first, at - 1, "(", "");
            self.replace(at, ")|_mod(");
            self.wrap(last, last, "", ")");
        }
    }

    /// The first token of the value that a subscript at `at` belongs to.
    fn base(&self, at: usize) -> usize {
        let mut first = at;
        while self.ends_operand(first - 1) {
            let mut start = first - 1;
            if closes(&self.tokens[start]) {
                let mut depth = 1;
                while depth > 0 && start > 0 {
                    start -= 1;
                    depth += i32::from(closes(&self.tokens[start]))
                        - i32::from(opens(&self.tokens[start]));
                }
                first = start;
                if start == 0 || !self.ends_operand(start - 1) {
                    break;
                }
                continue;
            }
            first = start;
            if start == 0 || !matches!(self.tokens[start - 1], Token::Dot) {
                break;
            }
            first = start - 1;
        }
        first
    }

    /// `a[1:2]` and `a['items']`.
    pub(super) fn subscript(&mut self, at: usize) -> Result<(), String> {
        let (mut close, mut depth, mut colons) = (at + 1, 1, Vec::new());
        while close < self.tokens.len() {
            let token = &self.tokens[close];
            depth += i32::from(opens(token)) - i32::from(closes(token));
            if depth == 0 {
                break;
            }
            if depth == 1 && matches!(token, Token::Colon) {
                colons.push(close);
            }
            close += 1;
        }
        let is_method = match (&self.tokens[at + 1], close == at + 2) {
            (Token::Str(key), true) => DICT_METHODS.contains(key),
            _ => false,
        };
        let is_fraction = |at: usize| matches!(self.tokens[at], Token::Float(_) | Token::Div);
        if (at..close).any(is_fraction) {
            return other("a fraction as a place in a list");
        }
        let first = self.base(at);
        if is_method {
            self.wrap(first, at - 1, "(", "");
            self.replace(at, "|_item(");
            self.replace(close, "))");
        } else if !colons.is_empty() {
            self.wrap(first, at - 1, "(", "");
            let empty = |is_empty: bool| if is_empty { "none" } else { "" };
            self.replace(at, &format!("|_slice({}", empty(colons[0] == at + 1)));
            for (i, colon) in colons.iter().enumerate() {
                let next = colons.get(i + 1).copied().unwrap_or(close);
                self.replace(*colon, &format!(",{}", empty(next == colon + 1)));
            }
            self.replace(close, if colons.len() == 1 { ",none))" } else { "))" });
        }
        Ok(())
    }
}

fn is_literal(token: &Token<'_>) -> bool {
    matches!(
        token,
        Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Int128(_) | Token::Float(_)
    )
}

/// Words of the language, which are no values.
fn is_word(name: &str) -> bool {
    matches!(
        name,
        "in" | "not"
            | "and"
            | "or"
            | "if"
            | "else"
            | "elif"
            | "is"
            | "recursive"
            | "for"
            | "set"
            | "do"
            | "with"
            | "call"
            | "filter"
    )
}
