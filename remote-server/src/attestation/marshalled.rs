//! The TPM's wire form: big-endian numbers and buffers with their length in front. It takes them apart in
//! order, and never reads past the end or leaves bytes over.

use super::AttestationError;
use super::AttestationError::Malformed;

/// More than any structure that is read here: an RSA-2048 public area has 330 bytes at most.
const LONGEST: usize = 512;

/// What is still to be read of a structure.
pub struct Marshalled<'a>(&'a [u8]);

impl<'a> Marshalled<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, AttestationError> {
        if bytes.len() <= LONGEST { Ok(Self(bytes)) } else { Err(Malformed("too long")) }
    }

    pub fn u8(&mut self) -> Result<u8, AttestationError> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, AttestationError> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, AttestationError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, AttestationError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A buffer of the kind TPM2B, which may be empty.
    pub fn sized(&mut self, most: usize) -> Result<&'a [u8], AttestationError> {
        let length = usize::from(self.u16()?);
        if length > most {
            return Err(Malformed("a buffer is too long"));
        }
        let (buffer, rest) = self.0.split_at_checked(length).ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(buffer)
    }

    /// A number of up to N bytes, as a curve's coordinate: some TPMs leave its leading zeros out.
    pub fn number<const N: usize>(&mut self) -> Result<[u8; N], AttestationError> {
        let bytes = self.sized(N)?;
        if bytes.is_empty() {
            return Err(Malformed("a number without bytes"));
        }
        let mut padded = [0; N];
        padded[N - bytes.len()..].copy_from_slice(bytes);
        Ok(padded)
    }

    /// Nothing may follow.
    pub fn end(self) -> Result<(), AttestationError> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("bytes are left over")) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AttestationError> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Malformed("cut short"))?;
        self.0 = rest;
        Ok(*head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_buffers_are_read_in_order_and_to_the_end() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 0, 2, 8, 9];
        let mut input = Marshalled::new(&bytes).unwrap();
        assert_eq!(input.u8(), Ok(1));
        assert_eq!(input.u16(), Ok(0x0203));
        assert_eq!(input.u32(), Ok(0x0405_0607));
        assert_eq!(input.sized(2), Ok([8, 9].as_slice()));
        assert_eq!(input.u8(), Err(Malformed("cut short")));
        assert_eq!(input.end(), Ok(()));
        assert!(Marshalled::new(&bytes).unwrap().end().is_err());
    }

    #[test]
    fn a_length_is_believed_only_within_its_bounds() {
        let cases: [(&[u8], usize); 4] =
            [(&[0, 3, 1, 2, 3], 2), (&[0, 3, 1, 2], 3), (&[0xff, 0xff], 0xffff), (&[0], 1)];
        for (bytes, most) in cases {
            assert!(Marshalled::new(bytes).unwrap().sized(most).is_err());
        }
        assert!(Marshalled::new(&[0; LONGEST + 1]).is_err());
    }

    #[test]
    fn a_number_is_filled_up_on_the_left() {
        assert_eq!(Marshalled::new(&[0, 1, 7]).unwrap().number(), Ok([0, 0, 7]));
        assert_eq!(Marshalled::new(&[0, 3, 7, 8, 9]).unwrap().number(), Ok([7, 8, 9]));
        assert!(Marshalled::new(&[0, 4, 7, 8, 9, 10]).unwrap().number::<3>().is_err());
        assert!(Marshalled::new(&[0, 0]).unwrap().number::<3>().is_err());
    }
}
