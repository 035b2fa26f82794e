//! A living person before the camera. It does what is asked, in its own time.

use crate::simulation::person::Person;
use crate::simulation::scene::Room;
use crate::simulation::{Performance, Prompted};
use crate::sitter::{FINE, Sitter, View};
use crate::video::Picture;

pub struct BonaFide<'a> {
    person: Person<'a>,
    room: Room,
}

impl<'a> BonaFide<'a> {
    pub fn new(sitter: &'a Sitter, seed: u64) -> Self {
        Self { person: Person::new(sitter, seed), room: Room::new(seed) }
    }
}

impl Performance for BonaFide<'_> {
    fn frame(&mut self, at_s: f32, prompt: Option<Prompted>) -> Picture {
        let moment = self.room.moment(at_s, prompt);
        let held = self.person.held(at_s, moment.readout_s, prompt);
        self.person.sitter.appear(held, &mut self.room.scene, View::whole(FINE as f32), &moment.glow);
        self.room.taken(at_s)
    }

    fn shine(&mut self, screen: Option<[u8; 3]>) {
        self.room.shine(screen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::capture::sharpest;
    use crate::simulation::testing::{ripple, sitters};
    use crate::sitter::{HEIGHT, WIDTH};
    use vultus_vision::liveness::Action;

    #[test]
    fn a_seed_is_a_performance_and_no_frame_is_like_another() {
        let [sitter, ..] = sitters();
        let play = |seed: u64| -> Vec<Picture> {
            let mut person = BonaFide::new(sitter, seed);
            let prompt = Some(Prompted { action: Action::Shake, since_s: 0.0 });
            (0..4).map(|i| person.frame(i as f32 / 5.0, prompt)).collect()
        };
        let (once, again, other) = (play(1), play(1), play(2));
        assert!(once == again && once != other);
        for (i, picture) in once.iter().enumerate() {
            assert_eq!((picture.width, picture.height), (WIDTH, HEIGHT));
            assert!(once[..i].iter().all(|earlier| earlier != picture));
        }
    }

    #[test]
    fn nothing_ripples_in_a_face() {
        for sitter in sitters() {
            let mut person = BonaFide::new(sitter, 3);
            person.room.camera = sharpest(2);
            let found = ripple(&person.frame(0.5, None));
            assert!(found < 10.0, "{found}");
        }
    }
}
