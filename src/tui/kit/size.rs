//! How large the terminal is, and which of the four layouts that means.

/// Size classes; each view draws one layout for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeClass {
    /// Below 60x16: a few lines.
    Tiny,
    /// From 60x16: lists and numbers.
    Small,
    /// From 80x24: everything, one pane beside or below another.
    Standard,
    /// From 160x40: everything side by side.
    Wide,
}

/// Columns and rows of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    pub width: u16,
    pub height: u16,
}

impl Size {
    /// The largest class whose least width and height it has.
    pub fn class(self) -> SizeClass {
        match (self.width, self.height) {
            (160.., 40..) => SizeClass::Wide,
            (80.., 24..) => SizeClass::Standard,
            (60.., 16..) => SizeClass::Small,
            _ => SizeClass::Tiny,
        }
    }
}
