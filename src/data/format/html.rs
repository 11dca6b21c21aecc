//! HTML of question-and-answer sites as plain text: blocks become paragraphs, list items get a dash,
//! code keeps its line breaks, tags go, character references are read.

/// The text of an HTML fragment. Broken markup never fails: what is no tag stays as text.
pub(super) fn to_text(html: &str) -> String {
    let mut out = Writer::default();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        out.text(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('&') {
            let (character, n_bytes) = reference(rest);
            out.text(&character);
            rest = &rest[n_bytes..];
        } else if let Some((tag, n_bytes)) = tag(rest) {
            out.tag(&tag);
            rest = &rest[n_bytes..];
        } else {
            out.text("<");
            rest = &rest[1..];
        }
    }
    out.text(rest);
    out.text.trim().to_owned()
}

/// The name of a tag (`/p` for a closing one) and its length in bytes; a comment has no name.
fn tag(text: &str) -> Option<(String, usize)> {
    if text.starts_with("<!--") {
        let end = text.find("-->").map_or(text.len(), |at| at + 3);
        return Some((String::new(), end));
    }
    let inside = &text[1..];
    let is_tag = inside.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
    let end = text.find('>').filter(|_| is_tag)?;
    let name: String = text[1..end]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '/')
        .collect::<String>()
        .to_lowercase();
    // `<br/>` is `<br>`; `</p>` stays `/p`.
    let name = if name.len() > 1 { name.trim_end_matches('/').to_owned() } else { name };
    Some((name, end + 1))
}

#[derive(Default)]
struct Writer {
    text: String,
    /// Inside `<pre>`, where line breaks count.
    n_pre: u32,
}

impl Writer {
    fn text(&mut self, text: &str) {
        if self.n_pre > 0 {
            self.text.push_str(text);
            return;
        }
        for c in text.chars() {
            if !c.is_whitespace() {
                self.text.push(c);
            } else if !self.text.ends_with(char::is_whitespace) {
                self.text.push(' ');
            }
        }
    }

    fn tag(&mut self, name: &str) {
        match name {
            "li" => {
                self.end_line(1);
                self.text.push_str("- ");
            }
            "pre" => {
                self.end_line(2);
                self.n_pre += 1;
            }
            "/pre" => {
                self.n_pre = self.n_pre.saturating_sub(1);
                self.end_line(2);
            }
            "br" | "/tr" | "dt" | "dd" => self.end_line(1),
            "/td" | "/th" => self.text(" "),
            "hr" | "p" | "/p" | "div" | "/div" | "ul" | "/ul" | "ol" | "/ol" | "table"
            | "/table" | "blockquote" | "/blockquote" | "h1" | "/h1" | "h2" | "/h2" | "h3"
            | "/h3" | "h4" | "/h4" | "h5" | "/h5" | "h6" | "/h6" => self.end_line(2),
            _ => {}
        }
    }

    /// Ends the line, with `n` line breaks in all.
    fn end_line(&mut self, n: usize) {
        let kept = self.text.trim_end_matches([' ', '\t']).len();
        self.text.truncate(kept);
        let n_breaks = self.text.len() - self.text.trim_end_matches('\n').len();
        if !self.text.is_empty() {
            self.text.push_str(&"\n".repeat(n.saturating_sub(n_breaks)));
        }
    }
}

/// The character a reference stands for and its length in bytes; an unknown one stays as it is.
fn reference(text: &str) -> (String, usize) {
    let literal = ("&".to_owned(), 1);
    let Some(end) = text.bytes().take(12).position(|byte| byte == b';') else { return literal };
    let name = &text[1..end];
    let character = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        "hellip" => Some('…'),
        "ndash" => Some('–'),
        "mdash" => Some('—'),
        "lsquo" => Some('‘'),
        "rsquo" => Some('’'),
        "ldquo" => Some('“'),
        "rdquo" => Some('”'),
        "times" => Some('×'),
        "rarr" => Some('→'),
        _ => numeric(name),
    };
    character.map_or(literal, |character| (character.to_string(), end + 1))
}

fn numeric(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_code_and_references_become_text() {
        for (html, text) in [
            ("<p>One &amp; two</p>\n\n<p>Three</p>", "One & two\n\nThree"),
            ("a<br>b<br/>c", "a\nb\nc"),
            ("<ul>\n<li>x</li>\n<li>y</li>\n</ul>\n<p>z</p>", "- x\n- y\n\nz"),
            (
                "<p>Run:</p>\n<pre><code>if a &lt; b {\n    go();\n}\n</code></pre>\n<p>ok</p>",
                "Run:\n\nif a < b {\n    go();\n}\n\nok",
            ),
            ("see <a href=\"http://x.y/?a=1&b=2\" rel='x'>here</a>.", "see here."),
            ("&#39;q&#x27; &euro; &unknown; a & b", "'q' &euro; &unknown; a & b"),
            ("1 < 2 and <b>bold</b>", "1 < 2 and bold"),
            ("<!-- gone > -->kept<", "kept<"),
            ("<p>ends <em", "ends <em"),
            ("Größe <i>ß</i> &#128512;", "Größe ß 😀"),
        ] {
            assert_eq!(to_text(html), text, "{html}");
        }
    }
}
