//! Messages as deterministic CBOR (RFC 8949, 4.2.1): maps with ascending small integer keys, shortest
//! forms, definite lengths. Bytes that are not exactly what this would write are refused.

use minicbor::{CborLen, Decode, Encode};

use crate::ProtocolError;

pub fn encode<T: Encode<()> + CborLen<()>>(value: &T) -> Result<Vec<u8>, ProtocolError> {
    let mut bytes = Vec::with_capacity(minicbor::len(value));
    minicbor::encode(value, &mut bytes).map_err(|_| ProtocolError::Malformed("cannot be encoded"))?;
    Ok(bytes)
}

/// One value from all of the bytes. Unknown fields, other spellings and trailing bytes are refused.
pub fn decode<T: Encode<()> + CborLen<()> + for<'b> Decode<'b, ()>>(
    bytes: &[u8],
    cap: usize,
) -> Result<T, ProtocolError> {
    if bytes.len() > cap {
        return Err(ProtocolError::Oversize(bytes.len()));
    }
    let value: T = minicbor::decode(bytes).map_err(|_| ProtocolError::Malformed("unknown form"))?;
    if encode(&value)? == bytes { Ok(value) } else { Err(ProtocolError::Malformed("not canonical")) }
}
