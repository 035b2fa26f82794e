//! What the verification of one P-256 signature costs, by each implementation in the tree and with nothing
//! around it: the measure that a server is compared with.

use std::error::Error;
use std::time::{Duration, Instant};

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::cores;
use crate::soft_device::Signer;

/// The two take turns, so that whatever else the machine does befalls both.
const ROUNDS: usize = 6;
const BLOCK: Duration = Duration::from_millis(80);
/// Between two looks at the clock.
const STRIDE: u32 = 20;
/// As long as what the device signs in an authentication, about.
const MESSAGE: [u8; 320] = [7; 320];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Verifications per second on one core.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Rates {
    pub ring: f64,
    pub p256: f64,
}

impl Rates {
    /// Measures on one core, in a process of its own: this very program, which must print [`Self::here`] when
    /// it is started with this flag.
    pub fn on(core: usize, flag: &str) -> Result<Self> {
        let mut program = std::process::Command::new(std::env::current_exe()?);
        program.arg(flag);
        let done = cores::on(Some(core), &program).output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into());
        }
        Ok(serde_json::from_slice(&done.stdout)?)
    }

    /// Measures in this thread.
    pub fn here() -> Result<Self> {
        let signer = Signer::generate()?;
        let (signature, point) = (signer.sign(&MESSAGE)?, signer.public().as_bytes());
        let by_ring = || {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(&MESSAGE, &signature).is_ok()
        };
        // It may keep the point parsed, which ring does anew each time.
        let key = VerifyingKey::from_sec1_bytes(point)?;
        let parsed = Signature::from_slice(&signature)?;
        let by_p256 = || key.verify(&MESSAGE, &parsed).is_ok();
        let (mut ring, mut p256) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ring.push(block(&by_ring)?);
            p256.push(block(&by_p256)?);
        }
        Ok(Self { ring: mean(&ring), p256: mean(&p256) })
    }

    /// What was measured before and after something else, taken together.
    pub fn between(self, after: Self) -> Self {
        Self { ring: mean(&[self.ring, after.ring]), p256: mean(&[self.p256, after.p256]) }
    }

    /// The faster one, and its name.
    pub fn fastest(self) -> (f64, &'static str) {
        if self.ring >= self.p256 { (self.ring, "ring") } else { (self.p256, "p256") }
    }
}

fn block(verify: &impl Fn() -> bool) -> Result<f64> {
    let (begun, mut count) = (Instant::now(), 0_u32);
    while begun.elapsed() < BLOCK {
        for _ in 0..STRIDE {
            if !std::hint::black_box(verify()) {
                return Err("a good signature does not verify".into());
            }
        }
        count += STRIDE;
    }
    Ok(f64::from(count) / begun.elapsed().as_secs_f64())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_verify_the_same_signature() {
        let rates = Rates::here().unwrap();
        assert!(rates.ring > 0.0 && rates.p256 > 0.0, "{rates:?}");
        assert_eq!(Rates { ring: 2.0, p256: 1.0 }.fastest(), (2.0, "ring"));
        let both = Rates { ring: 2.0, p256: 1.0 }.between(Rates { ring: 4.0, p256: 1.0 });
        assert_eq!(both.fastest(), (3.0, "ring"));
    }
}
