//! Files of kinds that are not read, known by their first bytes.

/// Kinds of files that hold no records this program reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    Zip,
    SevenZip,
    Tar,
    Xz,
    Bzip2,
    Lz4,
    Arrow,
    ArrowStream,
    PackedParquet,
    EncryptedParquet,
    Pickle,
    Torch,
    Numpy,
    Hdf5,
    Sqlite,
    Avro,
    Orc,
    Excel,
    Pdf,
    Utf16,
    LfsPointer,
    Markup,
    Reply,
}

impl Foreign {
    pub(in crate::data) fn words(self) -> &'static str {
        match self {
            Self::Zip => "a zip archive",
            Self::SevenZip => "a 7z archive",
            Self::Tar => "a tar archive",
            Self::Xz => "compressed with xz",
            Self::Bzip2 => "compressed with bzip2",
            Self::Lz4 => "compressed with lz4",
            Self::Arrow => "an Arrow (Feather) file",
            Self::ArrowStream => "an Arrow stream, as `datasets` keeps its tables",
            Self::PackedParquet => "a Parquet file that was compressed once more",
            Self::EncryptedParquet => "an encrypted Parquet file",
            Self::Pickle => "a pickle of Python",
            Self::Torch => "a file of PyTorch",
            Self::Numpy => "a file of NumPy",
            Self::Hdf5 => "an HDF5 file",
            Self::Sqlite => "an SQLite database",
            Self::Avro => "an Avro file",
            Self::Orc => "an ORC file",
            Self::Excel => "an Excel workbook",
            Self::Pdf => "a PDF document",
            Self::Utf16 => "text in UTF-16 or UTF-32, not in UTF-8",
            Self::LfsPointer => "a Git LFS pointer, not the file it points to",
            Self::Markup => "a web page (HTML or XML), not data",
            Self::Reply => "the answer of a server that refused the download",
        }
    }

    pub(in crate::data) fn hint(self, path: &str) -> String {
        let pandas = |read: &str| {
            format!(
                "python -c \"import pandas as pd; pd.{read}('{path}').to_json('pairs.jsonl', \
                 orient='records', lines=True)\""
            )
        };
        match self {
            Self::Zip => format!("unpack it: unzip {path}"),
            Self::SevenZip => format!("unpack it: 7z x {path}"),
            Self::Tar => format!("unpack it: tar -xf {path}"),
            Self::Xz => format!("unpack it: xz -dk {path}"),
            Self::Bzip2 => format!("unpack it: bzip2 -dk {path}"),
            Self::Lz4 => format!("unpack it: lz4 -d {path}"),
            Self::Arrow => pandas("read_feather"),
            Self::ArrowStream => format!(
                "python -c \"from datasets import Dataset; \
                 Dataset.from_file('{path}').to_json('pairs.jsonl')\""
            ),
            Self::PackedParquet => "unpack it with `gzip -d` or `zstd -d`".into(),
            Self::EncryptedParquet => "write it again without encryption, where its key is".into(),
            Self::Pickle => {
                "a pickle can run code when it is opened: write JSON lines where it was made".into()
            }
            Self::Torch | Self::Numpy | Self::Hdf5 | Self::Avro | Self::Pdf => {
                "write JSON lines where it was made: {\"prompt\", \"chosen\", \"rejected\"}".into()
            }
            Self::Sqlite => {
                format!(
                    "sqlite3 -json {path} 'select * from TABLE' > pairs.json (`.tables` names them)"
                )
            }
            Self::Orc => pandas("read_orc"),
            Self::Excel => "save the sheet as `CSV UTF-8` in the table program".into(),
            Self::Utf16 => {
                format!("iconv -f UTF-16 -t UTF-8 {path} > pairs.txt, with the old ending")
            }
            Self::LfsPointer => "fetch the file itself: `git lfs pull` in its repository".into(),
            Self::Markup | Self::Reply => {
                "look at it with `head`: the address was that of a page, or needs a login".into()
            }
        }
    }
}

/// First bytes, and what begins like that.
const MAGIC: [(&[u8], Foreign); 20] = [
    (b"PK\x03\x04", Foreign::Zip),
    (b"PK\x05\x06", Foreign::Zip),
    (b"\xfd7zXZ\x00", Foreign::Xz),
    (b"BZh", Foreign::Bzip2),
    (b"7z\xbc\xaf\x27\x1c", Foreign::SevenZip),
    (b"\x04\x22\x4d\x18", Foreign::Lz4),
    (b"ARROW1", Foreign::Arrow),
    (b"\xff\xff\xff\xff", Foreign::ArrowStream),
    (b"FEA1", Foreign::Arrow),
    // A plain one is read; this one came out of gzip or zstd.
    (b"PAR1", Foreign::PackedParquet),
    (b"PARE", Foreign::EncryptedParquet),
    (b"SQLite format 3\0", Foreign::Sqlite),
    (b"\x93NUMPY", Foreign::Numpy),
    (b"\x89HDF", Foreign::Hdf5),
    (b"Obj\x01", Foreign::Avro),
    (b"ORC", Foreign::Orc),
    (b"%PDF", Foreign::Pdf),
    (b"\xd0\xcf\x11\xe0", Foreign::Excel),
    (b"version https://git-lfs", Foreign::LfsPointer),
    (b"version https://hawser", Foreign::LfsPointer),
];

/// The kind of a file that is not read. `head` are its first bytes, decompressed, and `extension` its
/// ending in small letters.
pub(super) fn kind(head: &[u8], extension: &str) -> Option<Foreign> {
    /// Where a tar archive has its mark `ustar`, in bytes from its start.
    const TAR_MAGIC_AT: usize = 257;
    if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Some(match (kind, extension) {
            (Foreign::Zip, "xlsx" | "xlsm") => Foreign::Excel,
            (Foreign::Zip, "pt" | "pth" | "bin") => Foreign::Torch,
            (Foreign::Zip, "npz") => Foreign::Numpy,
            // Text may begin with these three letters by chance.
            (Foreign::Orc | Foreign::Bzip2, _) if head.is_ascii() => return None,
            (kind, _) => *kind,
        });
    }
    if head.get(TAR_MAGIC_AT..).is_some_and(|tail| tail.starts_with(b"ustar")) {
        return Some(Foreign::Tar);
    }
    if is_utf16(head) {
        return Some(Foreign::Utf16);
    }
    // A pickle begins with the number of its protocol.
    if matches!(head, [0x80, 2..=5, ..]) {
        return Some(Foreign::Pickle);
    }
    let start = head.trim_ascii_start();
    let begins = |word: &str| {
        start.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
    };
    if ["<!doctype", "<html", "<head", "<?xml"].into_iter().any(begins) {
        return Some(Foreign::Markup);
    }
    let is_reply = [
        "Entry not found",
        "404: Not Found",
        "Invalid username or password",
        "Access denied",
        "Repository not found",
    ];
    is_reply.into_iter().any(begins).then_some(Foreign::Reply)
}

/// A mark of UTF-16 or UTF-32, or every other byte of the start zero.
fn is_utf16(head: &[u8]) -> bool {
    let is_zero = |at: usize| head.get(at) == Some(&0);
    head.starts_with(&[0xff, 0xfe])
        || head.starts_with(&[0xfe, 0xff])
        || head.starts_with(&[0, 0, 0xfe, 0xff])
        || is_zero(1) && is_zero(3) && !is_zero(0)
        || is_zero(0) && is_zero(2) && !is_zero(1)
}
