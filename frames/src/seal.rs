//! Frames under one session's key: sealed and signed in the camera process, checked and opened in the
//! vault, strictly one after the other.
//!
//! Threat model: M16, M17.

use std::time::Duration;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use minicbor::{Decode, Encode};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::key::digest;
use crate::session::{from_bytes, to_bytes};
use crate::{FrameError, Mode, PublicKey, StaticKey};

const FRAME: &str = "vultus frame 1";
/// The most frames one session's key seals: an hour at 30 frames a second.
const MOST_FRAMES: u64 = 108_000;

/// What is authenticated with a frame but not hidden.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Header {
    /// Counts the sealed frames of the session from 0: the AEAD's nonce.
    #[n(0)]
    counter: u64,
    #[n(1)]
    mode: Mode,
    /// The device's own count, in which frames may be missing.
    #[n(2)]
    sequence: u32,
    /// When the device captured it: microseconds of the machine's monotonic clock.
    #[n(3)]
    captured_us: u64,
    #[n(4)]
    camera: String,
}

/// A frame on its way to the vault. Nothing of it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFrame {
    pub header: Vec<u8>,
    pub ciphertext: Vec<u8>,
    pub signature: Vec<u8>,
}

/// The camera's end of a session.
pub struct Sealer {
    session: [u8; 32],
    cipher: Aes256Gcm,
    camera: String,
    key: StaticKey,
    mode: Mode,
    next: u64,
}

impl Sealer {
    pub(crate) fn new(session: [u8; 32], key: &[u8; 32], camera: String, own: StaticKey, mode: Mode) -> Self {
        Self { session, cipher: Aes256Gcm::new(key.into()), camera, key: own, mode, next: 0 }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Seals one frame of the session's mode; the pixels become the ciphertext.
    pub fn seal(
        &mut self,
        mut pixels: Vec<u8>,
        sequence: u32,
        captured_us: u64,
    ) -> Result<SealedFrame, FrameError> {
        if pixels.len() != self.mode.bytes() {
            pixels.zeroize();
            return Err(FrameError::OtherFormat);
        }
        if self.next >= MOST_FRAMES {
            return Err(FrameError::Exhausted);
        }
        let header = to_bytes(&Header {
            counter: self.next,
            mode: self.mode,
            sequence,
            captured_us,
            camera: self.camera.clone(),
        })?;
        self.cipher
            .encrypt_in_place(&nonce(self.next), &header, &mut pixels)
            .map_err(|_| FrameError::Malformed)?;
        let signature = self.key.sign(&digest(FRAME, &[&self.session, &header, &pixels]))?;
        self.next += 1;
        Ok(SealedFrame { header, ciphertext: pixels, signature: signature.to_vec() })
    }
}

/// How old a frame may be when it is opened. The times are of the machine's monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct FrameClock {
    pub oldest: Duration,
}

/// The vault's end of a session. The first error ends it: every later frame is refused as well.
pub struct Opener {
    session: [u8; 32],
    cipher: Aes256Gcm,
    camera: String,
    camera_key: PublicKey,
    mode: Mode,
    clock: FrameClock,
    next: u64,
    last_captured_us: u64,
    ended: Option<FrameError>,
}

/// Raw pixels from a known camera, in order and in time. Wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Frame {
    #[zeroize(skip)]
    pub mode: Mode,
    /// `mode.bytes()` bytes.
    pub pixels: Vec<u8>,
    #[zeroize(skip)]
    pub counter: u64,
    /// Microseconds of the monotonic clock.
    #[zeroize(skip)]
    pub captured_us: u64,
}

impl std::fmt::Debug for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Frame({}, {:?}, pixels redacted)", self.counter, self.mode)
    }
}

impl Opener {
    pub(crate) fn new(
        session: [u8; 32],
        key: &[u8; 32],
        camera: String,
        camera_key: PublicKey,
        mode: Mode,
        clock: FrameClock,
    ) -> Self {
        let cipher = Aes256Gcm::new(key.into());
        Self { session, cipher, camera, camera_key, mode, clock, next: 0, last_captured_us: 0, ended: None }
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Opens the next frame. `now_us` is the monotonic clock in microseconds.
    pub fn open(&mut self, sealed: SealedFrame, now_us: u64) -> Result<Frame, FrameError> {
        if let Some(error) = self.ended {
            return Err(error);
        }
        self.open_next(sealed, now_us).inspect_err(|error| self.ended = Some(*error))
    }

    /// Signature, then what the header says, then the content: in that order.
    fn open_next(&mut self, sealed: SealedFrame, now_us: u64) -> Result<Frame, FrameError> {
        let SealedFrame { header: associated, ciphertext: mut pixels, signature } = sealed;
        self.camera_key.verify(&digest(FRAME, &[&self.session, &associated, &pixels]), &signature)?;
        let header: Header = from_bytes(&associated)?;
        self.check(&header, now_us)?;
        self.cipher
            .decrypt_in_place(&nonce(header.counter), &associated, &mut pixels)
            .map_err(|_| FrameError::Altered)?;
        if pixels.len() != self.mode.bytes() {
            pixels.zeroize();
            return Err(FrameError::OtherFormat);
        }
        self.next += 1;
        self.last_captured_us = header.captured_us;
        Ok(Frame { mode: self.mode, pixels, counter: header.counter, captured_us: header.captured_us })
    }

    fn check(&self, header: &Header, now_us: u64) -> Result<(), FrameError> {
        if header.camera != self.camera {
            return Err(FrameError::OtherCamera);
        }
        if header.mode != self.mode {
            return Err(FrameError::OtherFormat);
        }
        if header.counter < self.next {
            return Err(FrameError::Repeat);
        }
        if header.counter > self.next {
            return Err(FrameError::Gap);
        }
        if header.captured_us > now_us || (self.next > 0 && header.captured_us <= self.last_captured_us) {
            return Err(FrameError::OutOfTime);
        }
        if u128::from(now_us - header.captured_us) > self.clock.oldest.as_micros() {
            return Err(FrameError::Late);
        }
        Ok(())
    }
}

/// A counter as a nonce: the key is of one session and one direction, so no nonce comes twice.
fn nonce(counter: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&counter.to_be_bytes());
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    #[test]
    fn a_session_seals_an_hour_of_frames_and_no_more() {
        let mode = Mode { width: 96, height: 96, format: Format::Grey };
        let key = StaticKey::generate().unwrap();
        let mut sealer = Sealer::new([1; 32], &[2; 32], "camera".into(), key, mode);
        sealer.next = MOST_FRAMES - 1;
        assert!(sealer.seal(vec![0; mode.bytes()], 0, 1).is_ok());
        assert_eq!(sealer.seal(vec![0; mode.bytes()], 0, 2).err(), Some(FrameError::Exhausted));
    }
}
