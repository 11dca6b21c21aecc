//! What is told on the way to a result.

/// Takes what a person is told while something is prepared, wherever they sit.
pub trait Say: Sync {
    /// Takes a line that stays: a note, or a warning that begins with the word.
    fn say(&self, line: &str);

    /// Takes a line about how far something is; the next one stands in its place.
    fn progress(&self, line: &str);

    /// Takes the latest line of [`Say::progress`] away.
    fn clear(&self);
}
