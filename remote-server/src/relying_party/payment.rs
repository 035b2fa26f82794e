//! What a person agrees to when they pay, in words: composed by the shop from an amount and a name. It never
//! takes a text from the application whole.

use vultus_protocol::TransactionText;

/// The most characters of the payee's name.
const MOST_NAME: usize = 64;

/// "Pay 12.34 EUR to Bob's Books". None for an amount or a name that cannot be shown plainly.
pub fn text(amount: &str, to: &str) -> Option<TransactionText> {
    if !is_amount(amount) || !is_plain(to) {
        return None;
    }
    TransactionText::new(format!("Pay {amount} EUR to {to}")).ok()
}

/// Euros and two digits of cents, spelled in one way only, and not nothing.
fn is_amount(amount: &str) -> bool {
    let Some((euros, cents)) = amount.split_once('.') else { return false };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let canonical = euros == "0" || !euros.starts_with('0');
    (1..=7).contains(&euros.len())
        && cents.len() == 2
        && digits(euros)
        && digits(cents)
        && canonical
        && amount != "0.00"
}

/// A name that reads as it is written: no controls, nothing invisible, nothing that turns the direction of
/// what follows or precedes it.
fn is_plain(name: &str) -> bool {
    let length = name.chars().count();
    (1..=MOST_NAME).contains(&length) && name.trim() == name && !name.chars().any(misleads)
}

fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_composed() {
        let text = text("12.34", "Bob's Books").unwrap();
        assert_eq!(text.as_str(), "Pay 12.34 EUR to Bob's Books");
    }

    #[test]
    fn amounts_have_one_spelling() {
        for good in ["0.01", "1.00", "9999999.99"] {
            assert!(is_amount(good), "{good}");
        }
        for bad in
            ["", ".", "1", "1.0", "1.000", "01.00", "00.10", "0.00", "-1.00", "+1.00", "1,00", "1e3.00"]
        {
            assert!(!is_amount(bad), "{bad}");
        }
        assert!(!is_amount("10000000.00") && !is_amount("١.٠٠") && !is_amount("1.0.0"));
    }

    #[test]
    fn names_read_as_they_are_written() {
        assert!(is_plain("Bob's Books") && is_plain("Bücher Müller") && is_plain("書店"));
        for bad in ["", " Bob", "Bob ", "a\nb", "a\u{202e}b", "a\u{200b}b", "a\u{2066}b", &"a".repeat(65)] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
