//! What this machine says of itself: its maker and model, as the firmware has them. Nobody checks it.

use std::path::Path;

/// Where the kernel shows the firmware's table.
const FOLDER: &str = "/sys/class/dmi/id";
/// The longest label that a server takes, in bytes.
const LONGEST: usize = 64;
/// Where the firmware says nothing.
const UNKNOWN: &str = "unknown";

/// Both have 1 to 64 bytes and no control characters.
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
    let text: String = String::from_utf8_lossy(raw).chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    match text[..text.floor_char_boundary(LONGEST)].trim_end() {
        "" => UNKNOWN.to_owned(),
        label => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_plain_and_bounded() {
        assert_eq!(plain(b" Example Inc.\n"), "Example Inc.");
        assert_eq!(plain(b"a\x07b\x1b[0m"), "ab[0m");
        for nothing in [&b""[..], b"\n", b"  \t\n"] {
            assert_eq!(plain(nothing), UNKNOWN);
        }
        // Two bytes each, after one: the last that fits ends at 63.
        let long = plain(format!("a{}", "ä".repeat(64)).as_bytes());
        assert_eq!((long.len(), long.chars().count()), (63, 32));
        assert!(!plain(&[0xff, 0xfe]).is_empty());
    }
}
