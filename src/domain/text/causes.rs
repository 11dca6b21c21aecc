//! An error and what caused it, as one line.

use std::error::Error;
use std::io;

/// The message and its causes, joined by colons; a cause that repeats what stands before is left
/// out.
#[must_use]
pub fn one_line(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.downcast_ref::<io::Error>().map_or_else(|| cause.to_string(), io_reason);
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}

/// What the system said, in lower case and without `(os error 2)`.
#[must_use]
pub fn io_reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" (os error").map_or(text.as_str(), |(head, _)| head);
    let mut chars = text.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().collect::<String>() + chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `x`")]
    struct Outer(#[source] io::Error);

    #[test]
    fn causes_are_joined_once() {
        let error = Outer(io::Error::from_raw_os_error(2));
        assert_eq!(one_line(&error), "cannot read `x`: no such file or directory");
        let repeated = Outer(io::Error::other("read `x`"));
        assert_eq!(one_line(&repeated), "cannot read `x`");
    }
}
