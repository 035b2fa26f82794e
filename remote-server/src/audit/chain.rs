//! How the rows of one instance follow from each other: each row's hash is over its place, its body, and the
//! hash before it. It decides nothing.

use sha2::{Digest, Sha256};

use super::event::Line;

/// The end of a chain: the last row's sequence and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub sequence: i64,
    pub hash: [u8; 32],
}

impl Head {
    /// Of a chain without rows.
    pub const START: Self = Self { sequence: 0, hash: [0; 32] };
}

/// What a row has besides its event.
pub(crate) struct Link {
    pub sequence: i64,
    pub previous: [u8; 32],
    pub hash: [u8; 32],
}

/// SHA-256 over a purpose, the instance's name after its length in four bytes, the sequence in eight, the
/// hash before, and the body.
pub fn link(instance: &str, sequence: i64, previous: &[u8; 32], body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"vultus audit 1");
    hash.update((instance.len() as u32).to_be_bytes());
    hash.update(instance.as_bytes());
    hash.update(sequence.to_be_bytes());
    hash.update(previous);
    hash.update(body);
    hash.finalize().into()
}

/// Links events to a chain, in their order; with its new end.
pub(crate) fn links(instance: &str, mut head: Head, lines: &[&Line]) -> (Vec<Link>, Head) {
    let mut links = Vec::with_capacity(lines.len());
    for line in lines {
        let (sequence, previous) = (head.sequence + 1, head.hash);
        let hash = link(instance, sequence, &previous, &line.body);
        links.push(Link { sequence, previous, hash });
        head = Head { sequence, hash };
    }
    (links, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_over_everything_that_places_a_row() {
        let base = link("a", 1, &[0; 32], b"body");
        assert_ne!(base, link("b", 1, &[0; 32], b"body"));
        assert_ne!(base, link("a", 2, &[0; 32], b"body"));
        assert_ne!(base, link("a", 1, &[1; 32], b"body"));
        assert_ne!(base, link("a", 1, &[0; 32], b"bodx"));
    }

    #[test]
    fn rows_follow_from_each_other() {
        let lines = [Line { at: 1, body: vec![1] }, Line { at: 2, body: vec![2] }];
        let (rows, head) = links("a", Head::START, &[&lines[0], &lines[1]]);
        assert_eq!((rows[0].sequence, rows[0].previous), (1, [0; 32]));
        assert_eq!((rows[1].sequence, rows[1].previous), (2, rows[0].hash));
        assert_eq!(head, Head { sequence: 2, hash: rows[1].hash });
        let (none, same) = links("a", head, &[]);
        assert!(none.is_empty() && same == head);
    }
}
