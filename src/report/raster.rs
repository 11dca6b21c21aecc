//! Charts in pixels. Text is drawn with a font of the program, so that a picture made on a machine
//! without any font has its words, and the same ones everywhere.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::{Database, Source};
use resvg::usvg::{Options, Tree};

use super::ReportError;

/// `DejaVu` Sans, which may be given away inside a program; the file holds its license. It lacks
/// Chinese, Japanese and Korean, whose characters become boxes.
static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    for face in [dejavu::sans::regular(), dejavu::sans::bold()] {
        fonts.load_font_source(Source::Binary(Arc::new(face)));
    }
    fonts.set_sans_serif_family("DejaVu Sans");
    Arc::new(fonts)
});

/// What kind of file a chart becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageForm {
    /// Shapes and texts, for browsers and drawing programs.
    Svg,
    /// Pixels, for everything else.
    Png,
}

impl ImageForm {
    /// Both, in the order in which a menu lists them.
    pub const ALL: [Self; 2] = [Self::Svg, Self::Png];

    /// The ending of its files, without the dot.
    #[must_use]
    pub fn ending(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The kind that the name of a file asks for by its ending.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_str()?;
        Self::ALL.into_iter().find(|form| ending.eq_ignore_ascii_case(form.ending()))
    }

    /// Makes the file of this kind that shows an SVG.
    ///
    /// # Errors
    /// When its pixels cannot be made.
    pub fn file(self, svg: String) -> Result<Vec<u8>, ReportError> {
        match self {
            Self::Svg => Ok(svg.into_bytes()),
            Self::Png => png(&svg),
        }
    }
}

/// Draws an SVG file as a PNG file of the size in pixels that the SVG asks for.
fn png(svg: &str) -> Result<Vec<u8>, ReportError> {
    let failed = |reason: String| ReportError::Draw { reason };
    let options = Options {
        fontdb: Arc::clone(&FONTS),
        font_family: "sans-serif".to_owned(),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| failed(error.to_string()))?;
    let size = tree.size().to_int_size();
    let pixmap = Pixmap::new(size.width(), size.height());
    let mut pixmap = pixmap.ok_or_else(|| failed(format!("{size:?} is too large")))?;
    resvg::render(&tree, Transform::identity(), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 200 60\" \
        width=\"400\" height=\"120\"><style>text { fill: #ff0000; font-family: sans-serif; \
        font-size: 12px } .title { font-weight: 600 }</style>\
        <rect width=\"200\" height=\"60\" fill=\"#ffffff\"/>\
        <text x=\"10\" y=\"20\">accuracy</text>\
        <text x=\"10\" y=\"50\" class=\"title\">accuracy</text></svg>";

    /// How many pixels of a box are more red than white.
    fn ink(pixmap: &Pixmap, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> usize {
        let inside = rows.flat_map(|y| columns.clone().map(move |x| (x, y)));
        let pixels = inside.filter_map(|(x, y)| pixmap.pixel(x, y));
        pixels.filter(|it| it.red() > 200 && it.green() < 128).count()
    }

    #[test]
    fn words_are_drawn_without_any_font_of_the_machine() {
        let pixmap = Pixmap::decode_png(&png(SVG).unwrap()).unwrap();
        assert_eq!((pixmap.width(), pixmap.height()), (400, 120));
        let (plain, bold) = (ink(&pixmap, 20..130, 20..46), ink(&pixmap, 20..140, 80..106));
        assert!(plain > 150, "{plain} pixels of a word of eight letters");
        assert!(bold > plain, "{bold} pixels bold, {plain} plain");
        assert_eq!(ink(&pixmap, 150..400, 0..120), 0, "nothing where no word stands");
    }

    #[test]
    fn the_name_of_a_file_says_its_kind() {
        let of = |name: &str| ImageForm::of(Path::new(name));
        assert_eq!(of("out/loss.PNG"), Some(ImageForm::Png));
        assert_eq!(of("loss.svg"), Some(ImageForm::Svg));
        assert_eq!((of("png"), of("loss.svg.gz")), (None, None));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for svg in ["", "no picture", "<svg xmlns=\"http://www.w3.org/2000/svg\"", "<a/>"] {
            assert!(matches!(png(svg), Err(ReportError::Draw { .. })), "{svg}");
        }
    }
}
