//! Packets written by hand, and signed properly over whatever they say: what our own code never writes.

use vultus_protocol::{KeyId, Message};

use super::described::{head, string};
use super::{Key, Sample};

/// The parts of a packet.
pub struct Raw {
    pub signer: Key,
    /// The external data of the signature.
    pub context: &'static str,
    /// Tag and array, as they are encoded.
    pub begin: Vec<u8>,
    /// What the protected header's byte string holds.
    pub protected: Vec<u8>,
    /// The unprotected header, as it is encoded.
    pub unprotected: Vec<u8>,
    pub payload: Vec<u8>,
}

impl Raw {
    /// A packet as it should be.
    pub fn of<M: Message>(signer: Key, payload: Vec<u8>) -> Self {
        let protected = protected(-7, signer.public().id());
        let (begin, unprotected) = (vec![0xd2, 0x84], vec![0xa0]);
        Self { signer, context: M::CONTEXT.0, begin, protected, unprotected, payload }
    }

    pub fn like<M: Message>(sample: &Sample<M>) -> Self {
        let payload = vultus_protocol::encoding::encode(&sample.message).unwrap();
        Self::of::<M>(sample.key.clone(), payload)
    }

    /// `Sig_structure` of RFC 9052, 4.4.
    pub fn to_be_signed(&self) -> Vec<u8> {
        let name = b"Signature1";
        let context = string(self.context.as_bytes());
        [
            head(4, 4),
            head(3, name.len() as u64),
            name.to_vec(),
            string(&self.protected),
            context,
            string(&self.payload),
        ]
        .concat()
    }

    pub fn signature(&self) -> [u8; 64] {
        self.signer.sign(&self.to_be_signed())
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.with(&string(&self.payload), &string(&self.signature()))
    }

    /// With other items where payload and signature belong.
    pub fn with(&self, payload: &[u8], signature: &[u8]) -> Vec<u8> {
        [&self.begin[..], &string(&self.protected), &self.unprotected, payload, signature].concat()
    }
}

/// `{1: algorithm, 4: key}`. Algorithms are negative.
pub fn protected(algorithm: i64, key: KeyId) -> Vec<u8> {
    let algorithm = head(1, algorithm.unsigned_abs() - 1);
    [&[0xa2_u8, 0x01][..], &algorithm, &[0x04], &string(key.as_bytes())].concat()
}
