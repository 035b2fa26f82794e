//! Whether an attempt shows footage that an earlier one of the same user showed, by keyed digests of how the face
//! moved. What it keeps of attempts is no picture, no landmark and no embedding. It compares no faces.
//!
//! Threat model: M48.

use vultus_vision::liveness::Track;
use vultus_vision::liveness::replay::{self, Digest, Footage};

use crate::VaultError;
use crate::keys::OpenState;
use crate::records::{MOST_ATTEMPTS, MOST_DIGESTS, Past};

/// Whether this user was shown in this footage before. From now on she was: on return, it is on the disk. Where it
/// cannot be kept, that is an error, and nobody is to be accepted.
pub fn remember(state: &OpenState<'_>, uid: u32, track: &Track) -> Result<Footage, VaultError> {
    let mut past = state.past(uid)?;
    let now = replay::digests(track, &past.key);
    let footage = past.footage(&now);
    let kept = replay::kept(&now);
    // What is too short to be known again takes nobody's place.
    if !kept.is_empty() {
        past.add(kept);
        state.put_past(uid, &past)?;
    }
    Ok(footage)
}

impl Past {
    /// Compares an attempt's digests with those of each that is remembered.
    fn footage(&self, now: &[Digest]) -> Footage {
        let seen = |past: &Vec<Digest>| replay::seen_before(now, past) == Footage::SeenBefore;
        if self.attempts.iter().any(seen) { Footage::SeenBefore } else { Footage::New }
    }

    /// Adds an attempt by its newest digests. The oldest attempts are forgotten where there are too many.
    fn add(&mut self, mut attempt: Vec<Digest>) {
        attempt.drain(..attempt.len().saturating_sub(MOST_DIGESTS));
        self.attempts.push(attempt);
        self.attempts.drain(..self.attempts.len().saturating_sub(MOST_ATTEMPTS));
    }
}

#[cfg(test)]
mod tests {
    use vultus_vision::liveness::Baseline;
    use vultus_vision::liveness::glimpse::{Glimpse, THUMBNAIL, Thumbnail};
    use vultus_vision::mesh::{LANDMARKS, Landmark, Mesh, index};
    use vultus_vision::{Embedding, Pose};
    use zeroize::Zeroizing;

    use super::*;
    use crate::records::{Kind, RowName, Template};
    use crate::store::tests::{KEEPS_COUNTERS, folder, tamper};
    use crate::store::{Change, Store};

    const STATE_KEY: [u8; 32] = [5; 32];
    const ALICE: u32 = 1001;
    const BOB: u32 = 1002;

    /// Five seconds of a face that sways as its seed says, from a moment of that on.
    fn swaying(seed: u32, from_s: f32) -> Track {
        let mut track = Track::default();
        for frame in 0..150u32 {
            let t = from_s + frame as f32 / 30.0;
            let sway = std::array::from_fn(|i| {
                let (pace, phase) = ((seed * 31 + i as u32 * 17) % 23, (seed * 13 + i as u32 * 7) % 19);
                ((1.0 + pace as f32 / 10.0) * t + phase as f32).sin()
            });
            track.push(glimpse(1_000_000 + u64::from(frame) * 1_000_000 / 30, sway));
        }
        track
    }

    fn glimpse(at_us: u64, sway: [f32; 8]) -> Glimpse {
        use index::*;
        let face = [
            (LEFT_EYE_OUTER, -0.7, 0.0),
            (LEFT_EYE_INNER, -0.3, 0.0),
            (LEFT_EYE_TOP, -0.5, -0.06),
            (LEFT_EYE_BOTTOM, -0.5, 0.06),
            (RIGHT_EYE_INNER, 0.3, 0.0),
            (RIGHT_EYE_OUTER, 0.7, 0.0),
            (RIGHT_EYE_TOP, 0.5, -0.06),
            (RIGHT_EYE_BOTTOM, 0.5, 0.06),
            (NOSE_TIP, 0.06 * sway[0], 0.6 + 0.05 * sway[1]),
            (MOUTH_LEFT, -0.39, 1.1),
            (MOUTH_RIGHT, 0.39, 1.1),
        ];
        let (size, (sin, cos)) = (70.0 * (1.0 + 0.02 * sway[2]), (0.05 * sway[3]).sin_cos());
        let mut points = vec![Landmark::default(); LANDMARKS];
        for (landmark, x, y) in face {
            points[landmark] = Landmark {
                x: 320.0 + 5.0 * sway[4] + size * (x * cos - y * sin),
                y: 200.0 + 4.0 * sway[5] + size * (x * sin + y * cos),
                z: 0.0,
            };
        }
        let mesh = Mesh { points, presence: 1.0 };
        Glimpse {
            at_us,
            pose: Pose::of(&mesh),
            eyes: [0.3 + 0.05 * sway[6]; 2],
            mouth: 0.1 + 0.05 * sway[7],
            luma: 120.0,
            thumbnail: Thumbnail(Box::new([0.0; THUMBNAIL * THUMBNAIL])),
            suspicions: Vec::new(),
            mesh,
        }
    }

    fn template() -> Template {
        let embedding = || Embedding::normalised([1.0; 192]).unwrap();
        Template {
            label: String::new(),
            camera: String::new(),
            token_key: Zeroizing::new([7; 32]),
            mean: embedding(),
            shots: vec![embedding()],
            baseline: Baseline { eyes: 0.3, mouth: 0.0 },
        }
    }

    /// A state in which both have two faces.
    fn enrolled(store: &Store) -> OpenState<'_> {
        let state = OpenState::under(store, &STATE_KEY);
        for (uid, face) in [(ALICE, 0), (ALICE, 1), (BOB, 0), (BOB, 1)] {
            state.put_template(uid, face, &template()).unwrap();
        }
        state
    }

    #[test]
    fn footage_is_known_again_when_the_state_was_closed_and_opened() {
        let folder = folder();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(remember(&enrolled(&store), ALICE, &swaying(3, 0.0)).unwrap(), Footage::New);
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        let state = OpenState::under(&store, &STATE_KEY);
        assert_eq!(remember(&state, ALICE, &swaying(4, 0.0)).unwrap(), Footage::New);
        assert_eq!(remember(&state, ALICE, &swaying(3, 0.71)).unwrap(), Footage::SeenBefore);
    }

    #[test]
    fn another_user_knows_nothing_of_it_even_with_the_digests() {
        let folder = folder();
        let store = Store::open(folder.path()).unwrap();
        let state = enrolled(&store);
        let footage = swaying(3, 0.0);
        assert_eq!(remember(&state, ALICE, &footage).unwrap(), Footage::New);
        assert_eq!(remember(&state, BOB, &footage).unwrap(), Footage::New);
        let (alice, bob) = (state.past(ALICE).unwrap(), state.past(BOB).unwrap());
        assert_ne!(alice.key, bob.key);
        let digests = replay::digests(&footage, &bob.key);
        assert_eq!(bob.footage(&digests), Footage::SeenBefore);
        assert_eq!(alice.footage(&digests), Footage::New);
    }

    #[test]
    fn only_the_newest_attempts_are_kept_and_of_each_the_newest_digests() {
        let digests = |n: u8, len: u8| -> Vec<Digest> {
            (0..len).map(|i| Digest::from_bytes([n ^ (i << 1); 32])).collect()
        };
        let mut past = Past::empty().unwrap();
        for n in 0..70 {
            past.add(digests(n, 5));
        }
        assert_eq!(past.attempts.len(), MOST_ATTEMPTS);
        assert_eq!(past.attempts[0][0], Digest::from_bytes([6; 32]));
        past.add(digests(0, 100));
        let newest = &past.attempts[MOST_ATTEMPTS - 1];
        assert_eq!((newest.len(), &newest[63]), (MOST_DIGESTS, &Digest::from_bytes([198; 32])));
        let read = Past::from_bytes(&past.to_bytes().unwrap()).unwrap();
        assert!(read.key == past.key && read.attempts == past.attempts);
        // More than fits was not written by this vault.
        past.attempts.push(Vec::new());
        assert!(matches!(Past::from_bytes(&past.to_bytes().unwrap()), Err(VaultError::Altered)));
    }

    #[test]
    fn what_is_too_short_takes_nobodys_place() {
        let folder = folder();
        let store = Store::open(folder.path()).unwrap();
        let state = enrolled(&store);
        let mut short = Track::default();
        swaying(3, 0.0).iter().take(50).for_each(|glimpse| short.push(glimpse.clone()));
        for track in [&short, &Track::default()] {
            assert_eq!(remember(&state, ALICE, track).unwrap(), Footage::New);
        }
        assert!(state.past(ALICE).unwrap().attempts.is_empty());
    }

    #[test]
    fn it_goes_with_any_face_of_the_user_and_with_nobody_elses() {
        let folder = folder();
        let store = Store::open(folder.path()).unwrap();
        let state = enrolled(&store);
        let attempts = |uid| state.past(uid).unwrap().attempts.len();
        for uid in [ALICE, BOB] {
            assert_eq!(remember(&state, uid, &swaying(3, 0.0)).unwrap(), Footage::New);
        }
        let key = state.past(ALICE).unwrap().key;
        // A face that is added changes nothing.
        state.put_template(ALICE, 2, &template()).unwrap();
        assert_eq!(attempts(ALICE), 1);
        state.delete_templates(ALICE, &[1]).unwrap();
        assert_eq!((attempts(ALICE), attempts(BOB)), (0, 1));
        assert_ne!(state.past(ALICE).unwrap().key, key);
        assert_eq!(remember(&state, ALICE, &swaying(3, 0.0)).unwrap(), Footage::New);
        state.delete_templates(ALICE, &[0, 2]).unwrap();
        assert!(store.get(RowName::new(Kind::Past, ALICE, 0)).unwrap().is_none());
        assert_eq!((attempts(ALICE), attempts(BOB)), (0, 1));
    }

    #[test]
    fn what_cannot_be_kept_or_was_taken_away_is_an_error() {
        let folder = folder();
        let store = Store::open(folder.path()).unwrap();
        let state = enrolled(&store);
        store.change(&[Change::Delete(RowName::new(Kind::Past, BOB, 0))]).unwrap();
        assert!(matches!(remember(&state, BOB, &Track::default()), Err(VaultError::Altered)));
        assert!(matches!(state.put_template(BOB, 2, &template()), Err(VaultError::Altered)));
        tamper(folder.path(), KEEPS_COUNTERS);
        assert!(matches!(remember(&state, ALICE, &swaying(3, 0.0)), Err(VaultError::Altered)));
    }
}
