//! Simulated people and simulated attackers, to measure the detection of presentation attacks with.
//! They are made from photographs, and whatever is reported of them says so; nothing here judges
//! whether somebody lives.
//!
//! ```text
//! bona fide:  photograph → person moves → scene ─────────────────────────────────→ camera → pictures
//! attack:     photograph → person moves → recorder → paper, screen, mask → scene → camera → pictures
//! ```
//!
//! Everything passes through one model of a camera ([`capture`]), whose parameters a seed draws from
//! the same distributions for persons and for attackers: lens, exposure, rows that are read one after
//! the other, noise, colour, compression. Scenes are twice as fine as its pictures. Every photograph is
//! first made equally soft and equally grainy, at the size at which scenes are. A seed decides
//! everything; nothing is drawn by the clock.
//!
//! What tells the two sides apart, besides what physics does: a bona fide scene is a photograph, too,
//! so that skin does not shine as skin does when it moves, pupils do not follow, hair does not fall,
//! and the room behind a head is stretched a little where the head goes. An attack is sampled once
//! more, as it is in life: by the recorder, and by what shows it. Attackers' hands are eggs of skin.
//! Whoever is before the camera is also before the screen of the machine ([`glow`]), whose light is
//! added to the room's as its colours come: not to what was recorded before.
//! Motion within one exposure leaves no trail on either side, and no face is out of focus. Whoever
//! trains on this trains on that as well.

pub mod action;
pub mod attack;
pub mod bona_fide;
pub mod capture;
pub mod codec;
pub mod film;
pub mod glow;
pub mod light;
pub mod medium;
pub mod person;
pub mod random;
pub mod recording;
pub mod scene;
#[cfg(test)]
pub mod testing;

use vultus_vision::liveness::Action;

use crate::sitter::Sitter;
use crate::video::Picture;

pub use attack::AttackKind;

/// Pictures a second that performances are meant for.
pub const RATE: u32 = 30;

/// What is asked of whoever is before the camera, and since when, in seconds of the performance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prompted {
    pub action: Action,
    pub since_s: f32,
}

/// Somebody, or something, before a camera.
pub trait Performance {
    /// The next picture, at a time in seconds, while this is asked. Times begin near 0 and never go
    /// back.
    fn frame(&mut self, at_s: f32, prompt: Option<Prompted>) -> Picture;

    /// What the screen of the machine shows from the last picture on, all over, as sRGB. None: what it
    /// always shows, whose light is part of the room's.
    fn shine(&mut self, screen: Option<[u8; 3]>);
}

/// Who is who in an attack.
#[derive(Clone, Copy)]
pub struct Cast<'a> {
    /// Whose account it is.
    pub victim: &'a Sitter,
    /// Who is there.
    pub attacker: &'a Sitter,
}

/// A living person who does what is asked.
pub fn bona_fide<'a>(sitter: &'a Sitter, seed: u64) -> Box<dyn Performance + 'a> {
    Box::new(bona_fide::BonaFide::new(sitter, seed))
}

/// An attacker who makes the best of such means.
pub fn attack<'a>(kind: AttackKind, cast: Cast<'a>, seed: u64) -> Box<dyn Performance + 'a> {
    attack::staged(kind, cast, seed)
}
