//! Numbers that follow from a nonce and that nobody can foresee without it: SHA-256(context ‖ nonce ‖ counter),
//! block after block. It is no generator for keys.

use sha2::{Digest, Sha256};

/// Bytes in one block.
const BLOCK: usize = 32;

pub(crate) struct Chance {
    start: Sha256,
    counter: u32,
    block: [u8; BLOCK],
    used: usize,
}

impl Chance {
    /// Each use has a context of its own, so that one nonce serves several.
    pub fn new(context: &str, nonce: &[u8; 32]) -> Self {
        let start = Sha256::new().chain_update(context.as_bytes()).chain_update(nonce);
        Self { start, counter: 0, block: [0; BLOCK], used: BLOCK }
    }

    /// Evenly from 0 to `bound` - 1; 0 where that is empty. What would make some numbers likelier than others
    /// is thrown away.
    pub fn below(&mut self, bound: u32) -> u32 {
        let bound = bound.max(1);
        let fair = u32::MAX - u32::MAX % bound;
        loop {
            let drawn = self.number();
            if drawn < fair {
                return drawn % bound;
            }
        }
    }

    fn number(&mut self) -> u32 {
        (0..4).fold(0, |number, _| (number << 8) | u32::from(self.byte()))
    }

    fn byte(&mut self) -> u8 {
        if self.used == BLOCK {
            self.block = self.start.clone().chain_update(self.counter.to_be_bytes()).finalize().into();
            self.counter = self.counter.wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_from_nonce_and_context_alone() {
        let drawn = |context: &str, first: u8| -> Vec<u32> {
            let mut chance = Chance::new(context, &[first; 32]);
            (0..20).map(|_| chance.below(1000)).collect()
        };
        assert_eq!(drawn("a", 1), drawn("a", 1));
        assert_ne!(drawn("a", 1), drawn("b", 1));
        assert_ne!(drawn("a", 1), drawn("a", 2));
    }

    #[test]
    fn every_number_is_as_likely() {
        let mut chance = Chance::new("even", &[7; 32]);
        let mut counts = [0i32; 7];
        for _ in 0..7000 {
            counts[chance.below(7) as usize] += 1;
        }
        // Standard deviation 29: five of them.
        assert!(counts.iter().all(|count| (count - 1000).abs() < 147), "{counts:?}");
        assert_eq!((chance.below(1), chance.below(0)), (0, 0));
    }
}
