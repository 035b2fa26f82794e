//! What an endorsement certificate says of the TPM's make: reads the names that the TCG's profile prescribes,
//! and never looks at who signed it.

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::AttestationError::{self, Malformed, WrongUse};

// Attribute types 2.23.133.2.1 to .3, in DER.
const MANUFACTURER: &[u8] = &[0x67, 0x81, 0x05, 0x02, 0x01];
const MODEL: &[u8] = &[0x67, 0x81, 0x05, 0x02, 0x02];
const VERSION: &[u8] = &[0x67, 0x81, 0x05, 0x02, 0x03];

/// The longest of their values, in bytes.
const LONGEST: usize = 64;

/// The make of a TPM. All of it is printable and has 64 bytes at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendor {
    /// The TCG's number of the manufacturer, such as `id:00001014`.
    pub manufacturer: String,
    pub model: String,
    /// Of the firmware, such as `id:20191023`.
    pub version: String,
}

impl Vendor {
    /// From the directory names among the subject's alternative names.
    pub fn read(certificate: &X509Certificate<'_>) -> Result<Self, AttestationError> {
        let names = certificate.subject_alternative_name().map_err(|_| Malformed("alternative names"))?;
        let names = names.ok_or(WrongUse)?;
        // A subject without a name must not be overlooked by who does not read the other names (RFC 5280,
        // 4.2.1.6): a certificate authority that leaves that open is careless.
        if certificate.subject().iter().next().is_none() && !names.critical {
            return Err(Malformed("alternative names of a nameless subject are not critical"));
        }
        let value = |wanted: &[u8]| {
            let mut values = names
                .value
                .general_names
                .iter()
                .filter_map(|name| match name {
                    GeneralName::DirectoryName(name) => Some(name),
                    _ => None,
                })
                .flat_map(|name| name.iter_attributes())
                .filter(|attribute| attribute.attr_type().as_bytes() == wanted);
            let (Some(only), None) = (values.next(), values.next()) else {
                return Err(WrongUse);
            };
            let text = only.as_str().map_err(|_| Malformed("make of the TPM"))?;
            let printable = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
            if printable { Ok(text.to_owned()) } else { Err(Malformed("make of the TPM")) }
        };
        let vendor =
            Self { manufacturer: value(MANUFACTURER)?, model: value(MODEL)?, version: value(VERSION)? };
        match vendor.manufacturer.strip_prefix("id:") {
            Some(id) if id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(vendor),
            _ => Err(Malformed("manufacturer of the TPM")),
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::DistinguishedName;

    use super::*;
    use crate::attestation::maker::{MAKE, alternative_names, with};

    #[test]
    fn the_make_is_named_once_and_in_its_form() {
        let make = |attributes: &[(u8, &str)]| {
            with(|c| c.leaf.custom_extensions = vec![alternative_names(attributes, true)]).map(|_| ())
        };
        for missing in 0..3 {
            let rest: Vec<_> = MAKE.into_iter().enumerate().filter(|(i, _)| *i != missing).collect();
            assert_eq!(make(&rest.into_iter().map(|(_, a)| a).collect::<Vec<_>>()), Err(WrongUse));
        }
        assert_eq!(make(&[MAKE[0], MAKE[1], MAKE[2], (2, "more")]), Err(WrongUse));
        for odd in ["", "two\nlines", "zero\0", &"x".repeat(65)] {
            assert_eq!(make(&[MAKE[0], (2, odd), MAKE[2]]), Err(Malformed("make of the TPM")));
        }
        for odd in ["00001014", "id:0000101", "id:000010144", "id:0000101g"] {
            assert_eq!(make(&[(1, odd), MAKE[1], MAKE[2]]), Err(Malformed("manufacturer of the TPM")));
        }
    }

    #[test]
    fn the_names_of_a_nameless_subject_are_critical() {
        for (critical, nameless, taken) in [(true, true, true), (false, true, false), (false, false, true)] {
            let checked = with(|c| {
                c.leaf.custom_extensions = vec![alternative_names(&MAKE, critical)];
                if nameless {
                    c.leaf.distinguished_name = DistinguishedName::new();
                }
            });
            assert_eq!(checked.is_ok(), taken, "critical: {critical}, nameless: {nameless}");
        }
    }
}
