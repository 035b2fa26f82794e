//! The secret by which a relying party's backend shows who it is. The server keeps its SHA-256 alone, and
//! looks services up by that; nothing here says what a service may do.

use std::fmt;

use sha2::{Digest, Sha256};
use vultus_protocol::api::{from_text, to_text};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const PREFIX: &str = "vk_";

/// 32 random bytes: too many to guess, so that a plain hash of them is as good as a slow one.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ApiKey([u8; 32]);

impl ApiKey {
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut key = Self([0; 32]);
        getrandom::fill(&mut key.0)?;
        Ok(key)
    }

    /// `vk_` and base64url, as it stands in the header and in the relying party's file.
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", Zeroizing::new(to_text(&self.0)).as_str()))
    }

    pub fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(from_text(text.strip_prefix(PREFIX)?).ok()?);
        Some(Self(bytes.as_slice().try_into().ok()?))
    }

    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_slice()).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let key = ApiKey::generate().unwrap();
        let text = key.to_text();
        assert!(text.starts_with("vk_") && text.len() == 46);
        assert_eq!(ApiKey::parse(&text).unwrap().hash(), key.hash());
        assert_ne!(ApiKey::generate().unwrap().hash(), key.hash());
        for bad in ["", "vk_", &text[3..], &text[..45], &format!("{}A", text.as_str()), "vk_====", "VK_AAAA"]
        {
            assert!(ApiKey::parse(bad).is_none(), "{bad}");
        }
        assert!(!format!("{key:?}").contains(&text[3..]));
    }
}
