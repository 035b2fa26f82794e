//! What this machine says of itself: its maker and model, as the firmware has them. Nobody checks it.

use std::path::Path;

/// Where the kernel shows the firmware's table.
const FOLDER: &str = "/sys/class/dmi/id";
/// The longest label that a server takes, in bytes.
const LONGEST: usize = 64;
/// Where the firmware says nothing.
const UNKNOWN: &str = "unknown";

/// Both have 1 to 64 bytes, all of them visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    pub manufacturer: String,
    pub model: String,
}

impl Hardware {
    pub fn read() -> Self {
        let label = |file: &str| {
            std::fs::read(Path::new(FOLDER).join(file)).map_or_else(|_| plain(&[]), |raw| plain(&raw))
        };
        Self { manufacturer: label("sys_vendor"), model: label("product_name") }
    }
}

fn plain(raw: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(raw).chars().filter(|c| visible(*c)).collect();
    let text = text.trim();
    match text[..text.floor_char_boundary(LONGEST)].trim_end() {
        "" => UNKNOWN.to_owned(),
        label => label.to_owned(),
    }
}

/// The same as `visible` of `vultus_protocol::identity`, by which the vault takes a label or refuses it: this
/// process does without the protocol's crate, whose packets are opaque to it.
fn visible(c: char) -> bool {
    let hidden = matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !c.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain_and_bounded() {
        assert_eq!(plain(b" Example Inc.\n"), "Example Inc.");
        assert_eq!(plain(b"a\x07b\x1b[0m"), "ab[0m");
        assert_eq!(plain("a\u{202e}b\u{200b}c\u{feff}".as_bytes()), "abc");
        for nothing in [&b""[..], b"\n", b"  \t\n"] {
            assert_eq!(plain(nothing), UNKNOWN);
        }
        // Two bytes each, after one: the last that fits ends at 63.
        let long = plain(format!("a{}", "ä".repeat(64)).as_bytes());
        assert_eq!((long.len(), long.chars().count()), (63, 32));
        assert!(!plain(&[0xff, 0xfe]).is_empty());
    }
}
