//! An attacker who wears the victim's face on paper: it goes where the attacker's head goes, and
//! whatever paper cannot do, the attacker's own eyes and jaw do around it.

use crate::simulation::medium::mask;
use crate::simulation::medium::print::Print;
use crate::simulation::medium::surface::Sheet;
use crate::simulation::person::Person;
use crate::simulation::recording::{self, Crop};
use crate::simulation::scene::Room;
use crate::simulation::{Cast, Performance, Prompted};
use crate::sitter::{FINE, Sitter, Stance, View};
use crate::video::Picture;

/// How far before the middle of the attacker's head a flat print touches the nose, in millimetres.
const NEARER: f32 = 52.0;

pub struct Worn<'a> {
    room: Room,
    attacker: Person<'a>,
    /// How the attacker holds the head so that it is where the paper needs it.
    fitted: Stance,
    print: Print,
    shape: Shape,
}

enum Shape {
    /// Cut out and bent around the face.
    Mask,
    /// A whole sheet with holes.
    Sheet,
}

impl<'a> Worn<'a> {
    pub fn mask(cast: Cast<'a>, seed: u64) -> Self {
        let photograph = photograph(cast, seed);
        let print = mask::cut_out(&photograph, cast.victim, seed);
        Self::new(cast, Stance::STRAIGHT, print, Shape::Mask, seed)
    }

    pub fn print_with_eye_holes(cast: Cast<'a>, seed: u64) -> Self {
        let photograph = photograph(cast, seed);
        let print = mask::with_holes(&photograph, cast.victim, seed);
        Self::new(cast, fitted(cast.attacker, cast.victim), print, Shape::Sheet, seed)
    }

    fn new(cast: Cast<'a>, fitted: Stance, print: Print, shape: Shape, seed: u64) -> Self {
        let attacker = Person::new(cast.attacker, seed);
        Self { room: Room::new(seed), attacker, fitted, print, shape }
    }

    /// The paper on a head that is held so.
    fn sheet(&self, stance: Stance) -> Sheet {
        match self.shape {
            Shape::Mask => mask::worn(self.attacker.sitter, stance),
            Shape::Sheet => {
                let away = self.print.distance(1.0) + NEARER;
                Sheet::held(self.print.middle(), away, stance).part(0.0, 0.0, NEARER)
            }
        }
    }
}

fn photograph(cast: Cast<'_>, seed: u64) -> Picture {
    recording::photograph(cast.victim, Stance::STRAIGHT, Crop::Photograph, seed)
}

/// How one person is held so that both eyes are where another's are.
fn fitted(person: &Sitter, like: &Sitter) -> Stance {
    let ([left, right], [a, b]) = (person.eyes(Stance::STRAIGHT), like.eyes(Stance::STRAIGHT));
    let angle = |dx: f32, dy: f32| dy.atan2(dx).to_degrees();
    let turned = Stance {
        scale: a.distance(b) / left.distance(right).max(1.0),
        roll: angle(b.x - a.x, b.y - a.y) - angle(right.x - left.x, right.y - left.y),
        ..Stance::STRAIGHT
    };
    let [left, right] = person.eyes(turned);
    let (there, here) = (a.midway(b), left.midway(right));
    Stance { shift: (there.x - here.x, there.y - here.y), ..turned }
}

impl Performance for Worn<'_> {
    fn frame(&mut self, at_s: f32, prompt: Option<Prompted>) -> Picture {
        let moment = self.room.moment(at_s, prompt);
        let held = self.attacker.held(at_s, moment.readout_s, prompt);
        let head = held.map(|stance| stance.with(self.fitted));
        let scene = &mut self.room.scene;
        self.attacker.sitter.appear(head, scene, View::whole(FINE as f32), &moment.glow);
        let sheets = held.map(|stance| self.sheet(stance));
        self.print.draw(&mut self.room.scene, sheets, &moment);
        self.room.taken(at_s)
    }

    fn shine(&mut self, screen: Option<[u8; 3]>) {
        self.room.shine(screen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::testing::sitters;

    #[test]
    fn eyes_come_where_the_holes_are() {
        let [victim, attacker, ..] = sitters();
        let fitted = fitted(attacker, victim);
        for (own, hole) in attacker.eyes(fitted).iter().zip(victim.eyes(Stance::STRAIGHT)) {
            assert!(own.distance(hole) < 2.0, "{own:?} {hole:?}");
        }
        let worn = Worn::print_with_eye_holes(Cast { victim, attacker }, 3);
        let middle = worn.sheet(Stance::STRAIGHT).seen(0.0, 0.0);
        assert!(middle.distance(victim.middle()) < 3.0, "{middle:?}");
    }
}
