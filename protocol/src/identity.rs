//! The names and numbers that messages carry, each a type of its own. A value that exists is within its
//! bounds: decoding and parsing check them.

use std::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Decoder, Encode, Encoder};
use subtle::ConstantTimeEq;

use crate::ProtocolError;

/// A name that is text: bounded, without control characters.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $most:expr, $allowed:expr, $whole:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The most bytes of such a name.
            pub const MOST: usize = $most;

            pub fn new(text: impl Into<String>) -> Result<Self, ProtocolError> {
                let text = text.into();
                let whole: fn(&str) -> bool = $whole;
                let fits = !text.is_empty() && text.len() <= Self::MOST && text.chars().all($allowed) && whole(&text);
                if fits { Ok(Self(text)) } else { Err(ProtocolError::Malformed($what)) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<C> CborLen<C> for $name {
            fn cbor_len(&self, c: &mut C) -> usize {
                self.0.as_str().cbor_len(c)
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::new(d.str()?).map_err(|_| minicbor::decode::Error::message($what))
            }
        }
    };
}

/// Bytes of a fixed length.
macro_rules! bytes {
    ($(#[$doc:meta])* $name:ident, $length:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, CborLen)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] ByteArray<{ $length }>);

        impl $name {
            pub const LENGTH: usize = $length;

            pub fn new(bytes: [u8; $length]) -> Self {
                Self(bytes.into())
            }

            pub fn from_slice(bytes: &[u8]) -> Result<Self, ProtocolError> {
                let bytes: [u8; $length] =
                    bytes.try_into().map_err(|_| ProtocolError::Malformed("a field of another length"))?;
                Ok(Self::new(bytes))
            }

            pub fn as_bytes(&self) -> &[u8; $length] {
                &self.0
            }

            pub fn to_text(&self) -> String {
                use base64ct::Encoding;
                base64ct::Base64UrlUnpadded::encode_string(&*self.0)
            }

            pub fn from_text(text: &str) -> Result<Self, ProtocolError> {
                use base64ct::Encoding;
                let bytes = base64ct::Base64UrlUnpadded::decode_vec(text)
                    .map_err(|_| ProtocolError::Malformed("not base64url without padding"))?;
                Self::from_slice(&bytes)
            }
        }
    };
}

/// Names and codes that may be shown.
macro_rules! shown {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.to_text())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_text())
            }
        }
    };
}

/// Values that no log may hold, compared in constant time.
macro_rules! hidden {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }

        impl $name {
            /// Whether two are equal, in a time that does not depend on where they differ.
            #[must_use]
            pub fn same(&self, other: &Self) -> bool {
                self.as_bytes().ct_eq(other.as_bytes()).into()
            }
        }
    };
}

/// What a person sees as it is: no control characters, and none that are invisible or turn the direction of
/// the text around.
pub fn visible(c: char) -> bool {
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

/// The most lines of a transaction: what a person reads must not scroll away.
const MOST_LINES: usize = 8;

/// A few lines, none of them empty.
fn readable(text: &str) -> bool {
    text.split('\n').count() <= MOST_LINES && text.split('\n').all(|line| !line.trim().is_empty())
}

fn host_character(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | ':')
}

name! {
    /// An authentication server, such as `auth.example.org`: lower-case letters, digits, `.`, `-`, `:`.
    ServerName, 64, host_character, |_| true, "the server's name"
}
name! {
    /// A relying party's service, such as `shop.example.org`: of the same characters.
    ServiceName, 64, host_character, |_| true, "the service's name"
}
name! {
    /// An account as the relying party calls it. Not for logs.
    AccountName, 128, visible, |_| true, "the account's name"
}
name! {
    /// What an assertion is for: an application's own name, or a verifier's.
    Audience, 128, |c: char| c.is_ascii_graphic(), |_| true, "the audience"
}
name! {
    /// A transaction as the person is shown it, before anything is signed: at most eight lines, none empty.
    TransactionText, 512, |c: char| c == '\n' || visible(c), readable, "the transaction's text"
}
name! {
    /// What a device or a program says of itself.
    Label, 64, visible, |_| true, "a label"
}

bytes! {
    /// A device: the first 16 bytes of the SHA-256 of its device key's point.
    DeviceIdentity, 16
}
bytes! {
    /// The same device as one service knows it. Two services cannot tell that they know the same one.
    PairwiseDevice, 16
}
bytes! {
    /// An account of one service as the server calls it. The same account of the same service has the
    /// same one; nothing tells which accounts of two services belong together.
    VirtualAccount, 16
}
bytes! {
    /// One run of one ceremony.
    CeremonyId, 16
}
bytes! {
    /// A verification code: random, for one ceremony, used once.
    Code, 32
}
bytes! {
    /// Stands for one enrolled face towards one virtual account. It changes when the face is enrolled
    /// anew, and two accounts have unlike ones.
    FeatureToken, 32
}
bytes! {
    /// What a device and its registry alone know, from which pairwise identities follow.
    PairwiseSecret, 32
}
bytes! {
    /// SHA-256 of a transaction's text in UTF-8.
    TransactionHash, 32
}
shown!(DeviceIdentity);
shown!(PairwiseDevice);
shown!(VirtualAccount);
shown!(CeremonyId);
hidden!(Code);
hidden!(FeatureToken);
hidden!(PairwiseSecret);
hidden!(TransactionHash);

impl DeviceIdentity {
    /// The identity that follows from a device key.
    pub fn of(key: &crate::PublicKey) -> Self {
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&key.digest()[..Self::LENGTH]);
        Self::new(bytes)
    }
}

impl PairwiseSecret {
    /// What this device is called towards one service of one server: HMAC-SHA-256 under the secret over
    /// the two names, each with its length before it; 16 bytes of it.
    pub fn device_for(&self, server: &ServerName, service: &ServiceName) -> PairwiseDevice {
        let tag = keyed_hash(self.as_bytes(), "pairwise device", &[server.as_str(), service.as_str()], &[]);
        let mut bytes = [0; PairwiseDevice::LENGTH];
        bytes.copy_from_slice(&tag[..PairwiseDevice::LENGTH]);
        PairwiseDevice::new(bytes)
    }
}

impl FeatureToken {
    /// The token of the face that has this random key, towards one virtual account of one server.
    pub fn of(face_key: &[u8; 32], server: &ServerName, account: &VirtualAccount) -> Self {
        Self::new(keyed_hash(face_key, "feature token", &[server.as_str()], account.as_bytes()))
    }
}

impl VirtualAccount {
    /// The virtual account of one account of one service, under the server's own secret.
    pub fn of(secret: &[u8; 32], service: &ServiceName, account: &AccountName) -> Self {
        let tag = keyed_hash(secret, "virtual account", &[service.as_str(), account.as_str()], &[]);
        let mut bytes = [0; Self::LENGTH];
        bytes.copy_from_slice(&tag[..Self::LENGTH]);
        Self::new(bytes)
    }
}

impl TransactionHash {
    pub fn of(text: &TransactionText) -> Self {
        use sha2::{Digest, Sha256};
        Self::new(Sha256::digest(text.as_str().as_bytes()).into())
    }
}

/// HMAC-SHA-256 over a purpose and names, each after its length in four bytes, then fixed bytes.
fn keyed_hash(key: &[u8; 32], purpose: &str, names: &[&str], rest: &[u8]) -> [u8; 32] {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key);
    let mut mac = ring::hmac::Context::with_key(&key);
    for text in std::iter::once(&purpose).chain(names) {
        mac.update(&(text.len() as u32).to_be_bytes());
        mac.update(text.as_bytes());
    }
    mac.update(rest);
    let mut tag = [0; 32];
    tag.copy_from_slice(mac.sign().as_ref());
    tag
}

/// Which part of a person was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum BiometricType {
    #[n(1)]
    Face,
}

/// How the device says that liveness was judged, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Liveness {
    /// Not judged at all.
    #[n(0)]
    None,
    /// By what the camera saw, without asking the person for anything.
    #[n(1)]
    Passive,
    /// By a random sequence of actions besides.
    #[n(2)]
    Active,
}

/// What the camera sees by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Spectrum {
    #[n(0)]
    Colour,
    /// One channel: grey or infrared.
    #[n(1)]
    Grey,
}

/// What a server demands of the local verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Policy {
    #[n(1)]
    pub biometric: BiometricType,
    /// The least liveness that will do.
    #[n(2)]
    pub liveness: Liveness,
}

/// What the device says was checked. Self-asserted: no part of it is covered by a TPM quote.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Evidence {
    #[n(1)]
    pub liveness: Liveness,
    #[n(2)]
    pub spectrum: Spectrum,
    /// The vault's version.
    #[n(3)]
    pub software: Label,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_bounds() {
        for good in ["a", "auth.example.org", "127.0.0.1:8443"] {
            assert!(ServerName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "Auth", "a b", "a\n", "ä", &"a".repeat(65)] {
            assert!(ServerName::new(bad).is_err(), "{bad}");
        }
        assert!(AccountName::new("Alice Äpfel").is_ok());
        assert!(AccountName::new("a\u{7}").is_err());
        assert!(TransactionText::new("Pay 5 €\nto Bob").is_ok());
        for hidden in [
            "\nPay",
            "Pay\n\n5",
            &"a\n".repeat(8),
            "Pay\r5",
            "Pay 5\u{202e}",
            "Pay\u{200b}5",
            "\u{feff}Pay",
            "Pay\u{2066}5",
        ] {
            assert!(TransactionText::new(hidden).is_err(), "{hidden:?}");
        }
    }

    #[test]
    fn identities_differ_by_everything_they_are_made_of() {
        let server = ServerName::new("auth.example").unwrap();
        let (one, two) = (ServiceName::new("one.example").unwrap(), ServiceName::new("two.example").unwrap());
        let secret = PairwiseSecret::new([7; 32]);
        let device = secret.device_for(&server, &one);
        assert_eq!(device, secret.device_for(&server, &one));
        assert_ne!(device, secret.device_for(&server, &two));
        assert_ne!(device, PairwiseSecret::new([8; 32]).device_for(&server, &one));
        assert_ne!(device, secret.device_for(&ServerName::new("auth.exampl").unwrap(), &one));
        let account = AccountName::new("alice").unwrap();
        let virtual_account = VirtualAccount::of(&[1; 32], &one, &account);
        assert_ne!(virtual_account, VirtualAccount::of(&[1; 32], &two, &account));
        assert_ne!(virtual_account, VirtualAccount::of(&[2; 32], &one, &account));
        let token = FeatureToken::of(&[3; 32], &server, &virtual_account);
        assert!(!token.same(&FeatureToken::of(&[4; 32], &server, &virtual_account)));
        assert!(!token.same(&FeatureToken::of(&[3; 32], &server, &VirtualAccount::new([0; 16]))));
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Code::new([255; 32])), "Code(…)");
        assert_eq!(format!("{:?}", FeatureToken::new([255; 32])), "FeatureToken(…)");
        assert_eq!(format!("{:?}", PairwiseSecret::new([255; 32])), "PairwiseSecret(…)");
    }
}
