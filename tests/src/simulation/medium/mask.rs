//! A printed face cut out along its outline and worn before the wearer's own. It is paper: it follows
//! the head and has no relief of its own.

use vultus_vision::mesh::index;

use crate::simulation::medium::print::{Finish, Print};
use crate::simulation::medium::stencil::{Stencil, grown};
use crate::simulation::medium::surface::Sheet;
use crate::simulation::random::Chance;
use crate::sitter::{DISTANCE, Sitter, Stance};
use crate::video::Picture;

/// How far before the middle of the wearer's face the paper is, in millimetres: on the tip of the nose.
const NEARER: f32 = 48.0;
/// Radius to which cheeks bend it.
const RADIUS: f32 = 150.0;
/// How much of the light reaches what is behind a hole.
const THROUGH: f32 = 0.7;

/// The victim's face from a print of a photograph, with or without holes for the eyes.
pub fn cut_out(photograph: &Picture, victim: &Sitter, seed: u64) -> Print {
    let mut chance = Chance::new(seed, "mask");
    let outline = grown(&victim.marks(&index::OUTLINE), chance.between(0.98, 1.04));
    let mut stencil = Stencil::within(&outline);
    if chance.happens(0.5) {
        stencil = with_eye_holes(stencil, victim);
    }
    // What is nearer looks larger, so it is printed smaller.
    let magnified = (DISTANCE - NEARER) / DISTANCE * chance.between(0.98, 1.06);
    Print::new(photograph, victim.middle(), Finish::Matte, seed)
        .cut(stencil, 1.0)
        .sized([240.0, 300.0], magnified)
}

/// A whole print with holes where the eyes are.
pub fn with_holes(photograph: &Picture, victim: &Sitter, seed: u64) -> Print {
    Print::new(photograph, victim.middle(), Finish::Matte, seed)
        .cut(with_eye_holes(Stencil::whole(), victim), THROUGH)
}

fn with_eye_holes(stencil: Stencil, victim: &Sitter) -> Stencil {
    victim.eye_outlines().iter().fold(stencil, |stencil, eye| stencil.without(&grown(eye, 1.25)))
}

/// How the mask is held by a wearer's head.
pub fn worn(wearer: &Sitter, stance: Stance) -> Sheet {
    Sheet::held(wearer.middle(), DISTANCE, stance).part(0.0, 0.0, NEARER).bent(1.0 / RADIUS)
}
