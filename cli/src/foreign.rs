//! What others wrote, as a terminal may show it: without control characters, and without what is invisible or
//! turns the direction of the text around.

use vultus_protocol::identity::visible;

/// The most characters of one foreign field that are shown.
const SHOWN: usize = 300;

/// A field of one line: no line feed in it starts a line that looks like ours.
pub fn plain(text: &str) -> String {
    text.chars().filter(|c| visible(*c)).take(SHOWN).collect()
}

/// A text of several lines, whole.
pub fn lines(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || visible(*c)).collect()
}

/// A text that was made plain already, marked as somebody else's on each line.
pub fn quoted(text: &str) -> String {
    text.split('\n').map(|line| format!("| {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_plain() {
        assert_eq!(plain("a\x1b[31mb\n"), "a[31mb");
        assert_eq!(plain("a\u{202e}b\u{200b}c\u{9b}d\r"), "abcd");
        assert_eq!(plain(&"ä".repeat(1000)).chars().count(), SHOWN);
        assert_eq!(lines("a\x07\nb\u{2066}\r\n"), "a\nb\n");
    }

    #[test]
    fn every_line_is_marked() {
        assert_eq!(quoted("Pay 5 €\nto Bob"), "| Pay 5 €\n| to Bob");
        assert_eq!(quoted("a\n\nAgree? [y/N] y"), "| a\n| \n| Agree? [y/N] y");
    }
}
