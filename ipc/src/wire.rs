//! Length-prefixed, capped, canonical messages: bytes in, one typed message or a typed error out.
//!
//! Threat model: M28.

use minicbor::{CborLen, Decode, Encode};
use zeroize::Zeroizing;

use crate::IpcError;

/// A length prefix of four bytes, little-endian, stands before each message.
pub const PREFIX: usize = 4;

/// A type that crosses a boundary whole.
pub trait Message: Encode<()> + CborLen<()> + for<'b> Decode<'b, ()> {
    /// The most bytes a message of this boundary may take.
    const CAP: usize;
}

/// The message with its prefix, as it goes over the socket. It may hold a password: wiped when dropped.
pub fn encode<M: Message>(message: &M) -> Result<Zeroizing<Vec<u8>>, IpcError> {
    // All of it at once: growing would leave pieces behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PREFIX + minicbor::len(message)));
    bytes.extend([0; PREFIX]);
    minicbor::encode(message, &mut *bytes).map_err(|_| IpcError::Malformed("cannot be encoded"))?;
    let length = bytes.len() - PREFIX;
    if length > M::CAP {
        return Err(IpcError::Oversize(length));
    }
    bytes[..PREFIX].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(bytes)
}

/// The length that a prefix announces, where the boundary allows it.
pub fn announced<M: Message>(prefix: [u8; PREFIX]) -> Result<usize, IpcError> {
    let length = u32::from_le_bytes(prefix) as usize;
    match length {
        0 => Err(IpcError::Malformed("empty")),
        n if n > M::CAP => Err(IpcError::Oversize(n)),
        n => Ok(n),
    }
}

/// One message from the bytes after a prefix. Only the bytes that [`encode`] writes for it are taken:
/// unknown fields, other spellings of the same value and trailing bytes are refused.
pub fn decode<M: Message>(body: &[u8]) -> Result<M, IpcError> {
    let message: M = minicbor::decode(body).map_err(|_| IpcError::Malformed("unknown form"))?;
    let mut canonical = Zeroizing::new(Vec::with_capacity(minicbor::len(&message)));
    minicbor::encode(&message, &mut *canonical).map_err(|_| IpcError::Malformed("cannot be encoded"))?;
    if *canonical != body {
        return Err(IpcError::Malformed("not canonical"));
    }
    Ok(message)
}
