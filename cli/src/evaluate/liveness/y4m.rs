//! Reads uncompressed video (YUV4MPEG2) frame by frame: 8 bits, 4:4:4 or 4:2:0, BT.601. It looks at no
//! picture, and takes nothing for granted: what is malformed, too large or too long is a typed error.
//!
//! It stands by itself, so that a fuzz target can have it without the crate around it.

use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;

/// The longest first line, and the longest line before a frame, in bytes.
const LONGEST_HEADER: u64 = 1024;
const LONGEST_MARKER: u64 = 256;
/// Pixels.
const SIDES: RangeInclusive<u32> = 1..=4096;
/// Frames a second.
const LEAST_RATE: u64 = 1;
const MOST_RATE: u64 = 240;
/// What a rate may be spelt with, so that times do not overflow.
const LARGEST_NUMBER: u32 = 1_000_000;
/// The most frames: eleven minutes at 30 a second.
pub const MOST_FRAMES: u64 = 20_000;

/// Why a video is not read.
#[derive(Debug, thiserror::Error)]
pub enum Y4mError {
    #[error("it is no YUV4MPEG2 video")]
    NotY4m,
    #[error("its first line is malformed: {0}")]
    Header(&'static str),
    #[error("pixels of its kind are not read: 8 bits of 4:2:0 or 4:4:4 are")]
    Pixels,
    #[error("interlaced video is not read")]
    Interlaced,
    #[error("its pictures are empty, or larger than 4096 pixels a side")]
    Size,
    #[error("its rate is not 1 to 240 frames a second")]
    Rate,
    #[error("it has more than {} frames", MOST_FRAMES)]
    TooLong,
    /// They count from 1.
    #[error("frame {0} is malformed or cut off")]
    Frame(u64),
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// So many frames in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub frames: u32,
    pub seconds: u32,
}

impl Rate {
    /// When a frame is shown, in µs from the first, which is frame 0.
    pub fn at_us(self, frame: u64) -> u64 {
        frame * 1_000_000 * u64::from(self.seconds) / u64::from(self.frames)
    }

    fn parse(text: &str) -> Result<Self, Y4mError> {
        let (frames, seconds) = text.split_once(':').ok_or(Y4mError::Header("a rate is not a ratio"))?;
        let rate = Self { frames: number(frames)?, seconds: number(seconds)? };
        let (frames, seconds) = (u64::from(rate.frames), u64::from(rate.seconds));
        let fits = seconds > 0 && (LEAST_RATE * seconds..=MOST_RATE * seconds).contains(&frames);
        if fits { Ok(rate) } else { Err(Y4mError::Rate) }
    }
}

/// How far colours are spread: for each pixel, or for each square of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chroma {
    Full,
    Quarter,
}

/// What the bytes between black and white are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    Limited,
    Full,
}

/// What the first line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub width: u32,
    pub height: u32,
    pub rate: Rate,
    chroma: Chroma,
    range: Range,
}

#[derive(Default)]
struct Fields {
    width: Option<u32>,
    height: Option<u32>,
    rate: Option<Rate>,
    chroma: Option<Chroma>,
    range: Option<Range>,
}

impl Header {
    fn parse(line: &[u8]) -> Result<Self, Y4mError> {
        let text = std::str::from_utf8(line).map_err(|_| Y4mError::NotY4m)?;
        let words = text.strip_prefix("YUV4MPEG2").ok_or(Y4mError::NotY4m)?;
        let words = words.strip_suffix('\n').ok_or(Y4mError::Header("it has no end"))?;
        if !words.is_empty() && !words.starts_with(' ') {
            return Err(Y4mError::NotY4m);
        }
        let mut fields = Fields::default();
        words.split(' ').filter(|word| !word.is_empty()).try_for_each(|word| fields.take(word))?;
        let size = |side: Option<u32>| side.ok_or(Y4mError::Header("width or height is missing"));
        let (width, height) = (size(fields.width)?, size(fields.height)?);
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(Y4mError::Size);
        }
        Ok(Self {
            width,
            height,
            rate: fields.rate.ok_or(Y4mError::Header("the rate is missing"))?,
            // As the format's authors have it.
            chroma: fields.chroma.unwrap_or(Chroma::Quarter),
            range: fields.range.unwrap_or(Range::Limited),
        })
    }

    fn layout(&self) -> Layout {
        let (width, height) = (self.width as usize, self.height as usize);
        let (row, rows) = match self.chroma {
            Chroma::Full => (width, height),
            Chroma::Quarter => (width.div_ceil(2), height.div_ceil(2)),
        };
        Layout { luma: width * height, row, chroma: row * rows }
    }
}

impl Fields {
    fn take(&mut self, word: &str) -> Result<(), Y4mError> {
        let mut letters = word.chars();
        let (letter, value) = (letters.next(), letters.as_str());
        match letter {
            Some('W') => once(&mut self.width, number(value)?),
            Some('H') => once(&mut self.height, number(value)?),
            Some('F') => once(&mut self.rate, Rate::parse(value)?),
            Some('C') => once(&mut self.chroma, chroma(value)?),
            Some('I') if value != "p" && value != "?" => Err(Y4mError::Interlaced),
            Some('X') => match value {
                "COLORRANGE=FULL" => once(&mut self.range, Range::Full),
                "COLORRANGE=LIMITED" => once(&mut self.range, Range::Limited),
                _ => Ok(()),
            },
            // The shape of pixels, and what others may have added.
            _ => Ok(()),
        }
    }
}

fn once<T>(field: &mut Option<T>, value: T) -> Result<(), Y4mError> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Y4mError::Header("a field stands twice")),
    }
}

fn number(text: &str) -> Result<u32, Y4mError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && *number <= LARGEST_NUMBER);
    number.ok_or(Y4mError::Header("a number is not one, or too large"))
}

fn chroma(value: &str) -> Result<Chroma, Y4mError> {
    match value {
        "444" => Ok(Chroma::Full),
        // They differ in where between the pixels colours were taken: half a pixel, which is let pass.
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(Chroma::Quarter),
        _ => Err(Y4mError::Pixels),
    }
}

/// Bytes of the plane of luma, and of a row and a plane of one colour.
#[derive(Clone, Copy)]
struct Layout {
    luma: usize,
    row: usize,
    chroma: usize,
}

/// A video that is read as it comes: one frame is in memory.
pub struct Reader<R> {
    input: R,
    header: Header,
    planes: Vec<u8>,
    frames: u64,
}

impl<R: BufRead> Reader<R> {
    /// Reads the first line.
    pub fn open(mut input: R) -> Result<Self, Y4mError> {
        let header = Header::parse(&line(&mut input, LONGEST_HEADER)?)?;
        Ok(Self { input, header, planes: Vec::new(), frames: 0 })
    }

    pub fn header(&self) -> Header {
        self.header
    }

    /// The next frame as rows of red, green, blue; nothing at the end.
    pub fn frame(&mut self) -> Result<Option<Vec<u8>>, Y4mError> {
        let marker = line(&mut self.input, LONGEST_MARKER)?;
        if marker.is_empty() {
            return Ok(None);
        }
        if self.frames == MOST_FRAMES {
            return Err(Y4mError::TooLong);
        }
        self.frames += 1;
        let named = marker == b"FRAME\n" || (marker.starts_with(b"FRAME ") && marker.ends_with(b"\n"));
        let layout = self.header.layout();
        let bytes = layout.luma + 2 * layout.chroma;
        self.planes.clear();
        // Only what is there takes memory, whatever the first line says.
        self.input.by_ref().take(bytes as u64).read_to_end(&mut self.planes)?;
        if !named || self.planes.len() != bytes {
            return Err(Y4mError::Frame(self.frames));
        }
        Ok(Some(rgb(&self.planes, layout, self.header)))
    }
}

/// Up to a line feed, with it. Empty at the end; without a line feed where it is cut off or too long.
fn line(input: &mut impl BufRead, longest: u64) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    input.by_ref().take(longest).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// BT.601 in fixed point with 16 bits of fraction.
struct Matrix {
    black: i32,
    luma: i32,
    red: i32,
    green: [i32; 2],
    blue: i32,
}

const LIMITED: Matrix =
    Matrix { black: 16, luma: 76_309, red: 104_597, green: [25_675, 53_279], blue: 132_201 };
const FULL: Matrix = Matrix { black: 0, luma: 65_536, red: 91_881, green: [22_553, 46_802], blue: 116_130 };

impl Matrix {
    fn rgb(&self, [y, u, v]: [u8; 3]) -> [u8; 3] {
        let y = self.luma * (i32::from(y) - self.black) + (1 << 15);
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        let channel = |value: i32| (value >> 16).clamp(0, 255) as u8;
        let green = y - self.green[0] * u - self.green[1] * v;
        [channel(y + self.red * v), channel(green), channel(y + self.blue * u)]
    }
}

/// `planes` has the bytes of all three.
fn rgb(planes: &[u8], layout: Layout, header: Header) -> Vec<u8> {
    let (width, height) = (header.width as usize, header.height as usize);
    let (luma, colours) = planes.split_at(layout.luma);
    let (us, vs) = colours.split_at(layout.chroma);
    let matrix = if header.range == Range::Full { FULL } else { LIMITED };
    let shift = usize::from(header.chroma == Chroma::Quarter);
    let mut rgb = Vec::with_capacity(layout.luma * 3);
    for row in 0..height {
        for column in 0..width {
            let at = (row >> shift) * layout.row + (column >> shift);
            rgb.extend(matrix.rgb([luma[row * width + column], us[at], vs[at]]));
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(header: &str, frames: &[&[u8]]) -> Vec<u8> {
        let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
        for frame in frames {
            bytes.extend(b"FRAME\n");
            bytes.extend(*frame);
        }
        bytes
    }

    fn opened(header: &str) -> Result<Header, Y4mError> {
        Reader::open(video(header, &[]).as_slice()).map(|reader| reader.header())
    }

    fn first(bytes: &[u8]) -> Result<Option<Vec<u8>>, Y4mError> {
        Reader::open(bytes)?.frame()
    }

    #[test]
    fn both_ranges_and_both_spreads_are_read() {
        // Black, white, and red as each range has it.
        let limited = video("W3 H1 F30:1 C444", &[&[16, 235, 81, 128, 128, 90, 128, 128, 240]]);
        let full =
            video("W3 H1 F30:1 Ip A1:1 C444 XCOLORRANGE=FULL", &[&[0, 255, 76, 128, 128, 85, 128, 128, 255]]);
        for bytes in [limited, full] {
            let rgb = first(&bytes).unwrap().unwrap();
            assert_eq!(rgb[..6], [0, 0, 0, 255, 255, 255]);
            assert!(rgb[6] >= 253 && rgb[7] <= 2 && rgb[8] <= 2, "{rgb:?}");
        }
        // Three by three pixels have two by two colours.
        let luma = [16, 16, 16, 16, 16, 16, 16, 16, 235];
        let quarter = [luma.as_slice(), &[128; 4], &[128; 4]].concat();
        let rgb = first(&video("W3 H3 F25:1", &[&quarter])).unwrap().unwrap();
        assert_eq!((rgb.len(), &rgb[..3], &rgb[24..]), (27, [0; 3].as_slice(), [255; 3].as_slice()));
    }

    #[test]
    fn frames_follow_one_another_to_the_end() {
        let bytes = video("W1 H1 F30000:1001 C444", &[&[16, 128, 128], &[235, 128, 128]]);
        let mut reader = Reader::open(bytes.as_slice()).unwrap();
        assert_eq!(reader.frame().unwrap(), Some(vec![0; 3]));
        assert_eq!(reader.frame().unwrap(), Some(vec![255; 3]));
        assert_eq!(reader.frame().unwrap(), None);
        assert_eq!(reader.header().rate.at_us(30), 1_001_000);
    }

    #[test]
    fn malformed_first_lines_are_named() {
        assert!(matches!(first(b""), Err(Y4mError::NotY4m)));
        assert!(matches!(first(b"RIFF\x80"), Err(Y4mError::NotY4m)));
        assert!(matches!(first(b"YUV4MPEG2X W1 H1 F1:1\n"), Err(Y4mError::NotY4m)));
        assert!(matches!(first(b"YUV4MPEG2 W1 H1 F1:1"), Err(Y4mError::Header(_))));
        let endless = [b"YUV4MPEG2 ".as_slice(), &[b' '; 4096]].concat();
        assert!(matches!(first(&endless), Err(Y4mError::Header(_))));
        for header in ["H1 F1:1", "W1 H1", "W1 H1 F1", "W+1 H1 F1:1", "W1 W1 H1 F1:1", "W H1 F1:1"] {
            assert!(matches!(opened(header), Err(Y4mError::Header(_))), "{header}");
        }
        for header in ["W0 H1 F1:1", "W4097 H1 F1:1", "W1 H999999 F1:1"] {
            assert!(matches!(opened(header), Err(Y4mError::Size)), "{header}");
        }
        for header in ["W1 H1 F0:1", "W1 H1 F1:0", "W1 H1 F241:1", "W1 H1 F1:2"] {
            assert!(matches!(opened(header), Err(Y4mError::Rate)), "{header}");
        }
        assert!(matches!(opened("W1 H1 F1:1 C420p10"), Err(Y4mError::Pixels)));
        assert!(matches!(opened("W1 H1 F1:1 Cmono"), Err(Y4mError::Pixels)));
        assert!(matches!(opened("W1 H1 F1:1 It"), Err(Y4mError::Interlaced)));
        assert!(opened("W1 H1 F1:1 I? A0:0 XYSCSS=444 Zed").is_ok());
    }

    #[test]
    fn malformed_frames_are_named() {
        let cut = video("W1 H1 F30:1 C444", &[&[1, 2, 3], &[1, 2]]);
        let mut reader = Reader::open(cut.as_slice()).unwrap();
        assert!(reader.frame().unwrap().is_some());
        assert!(matches!(reader.frame(), Err(Y4mError::Frame(2))));
        let header = "YUV4MPEG2 W1 H1 F30:1 C444\n";
        for marker in ["FRAMEX\n", "frame\n", "FRAME", "\n"] {
            let bytes = [header.as_bytes(), marker.as_bytes(), &[1, 2, 3]].concat();
            assert!(matches!(first(&bytes), Err(Y4mError::Frame(1))), "{marker:?}");
        }
        let noted = [header.as_bytes(), b"FRAME Ip\n", &[16, 128, 128]].concat();
        assert_eq!(first(&noted).unwrap(), Some(vec![0; 3]));
    }

    #[test]
    fn what_has_no_end_ends() {
        let frame = b"FRAME\n\x10\x80\x80";
        let mut bytes = b"YUV4MPEG2 W1 H1 F30:1 C444\n".to_vec();
        bytes.extend(frame.repeat(MOST_FRAMES as usize + 1));
        let mut reader = Reader::open(bytes.as_slice()).unwrap();
        let mut frames = 0;
        let error = loop {
            match reader.frame() {
                Ok(Some(_)) => frames += 1,
                Ok(None) => panic!("it ended"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, Y4mError::TooLong));
        assert_eq!(frames, MOST_FRAMES);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            header in "(W[0-9]{1,2} |H[0-9]{1,2} |F[0-9]{1,2}:[0-9] |C4[24][04] |X[A-Z=]{0,16} ){0,6}",
            bytes in proptest::collection::vec(0u8.., 0..600),
        ) {
            let all = [b"YUV4MPEG2 ".as_slice(), header.as_bytes(), b"\nFRAME\n", &bytes].concat();
            if let Ok(mut reader) = Reader::open(all.as_slice()) {
                let Header { width, height, .. } = reader.header();
                while let Ok(Some(rgb)) = reader.frame() {
                    proptest::prop_assert_eq!(rgb.len(), (width * height * 3) as usize);
                }
            }
            let _ = first(&bytes);
        }
    }
}
