//! An attacker who does what is asked with her or his own face, and shows the victim for the rest. What
//! is shown is raised and lowered by hand.

use crate::simulation::action::eased;
use crate::simulation::attack::props::Prop;
use crate::simulation::person::{Body, Manner, Person};
use crate::simulation::scene::Room;
use crate::simulation::{Performance, Prompted};
use crate::sitter::{FINE, Sitter, Stance, View};
use crate::video::Picture;

/// How long it takes to raise or lower it, in seconds.
const RAISING_S: f32 = 0.45;
/// How far below it is out of sight, in frame pixels.
const BELOW: f32 = 560.0;

pub struct Swapped<'a> {
    room: Room,
    attacker: Person<'a>,
    hands: Manner,
    prop: Box<dyn Prop + 'a>,
    /// 1: before the attacker's face; 0: out of sight.
    raised: f32,
    last_s: f32,
}

impl<'a> Swapped<'a> {
    pub fn new(attacker: &'a Sitter, prop: Box<dyn Prop + 'a>, seed: u64) -> Self {
        let attacker = Person::new(attacker, seed);
        let hands = Manner::new(Body::Hands, seed);
        Self { room: Room::new(seed), attacker, hands, prop, raised: 1.0, last_s: 0.0 }
    }

    /// Raises or lowers it for as long as has passed.
    fn move_on(&mut self, at_s: f32, asked: bool) {
        let step = (at_s - self.last_s).max(0.0) / RAISING_S;
        let step = if asked || self.attacker.manner.is_busy(at_s) { -step } else { step };
        self.raised = (self.raised + step).clamp(0.0, 1.0);
        self.last_s = at_s;
    }
}

impl Performance for Swapped<'_> {
    fn frame(&mut self, at_s: f32, prompt: Option<Prompted>) -> Picture {
        let moment = self.room.moment(at_s, prompt);
        let own = self.attacker.held(at_s, moment.readout_s, prompt);
        let scene = &mut self.room.scene;
        self.attacker.sitter.appear(own, scene, View::whole(FINE as f32), &moment.glow);
        self.move_on(at_s, prompt.is_some());
        if self.raised > 0.0 {
            let down = BELOW * (1.0 - eased(self.raised));
            let lowered = Stance { shift: (0.0, down), ..Stance::STRAIGHT };
            let held = [at_s, at_s + moment.readout_s].map(|at_s| self.hands.stance(at_s).with(lowered));
            self.prop.draw(&mut self.room.scene, held, &moment);
        }
        self.room.taken(at_s)
    }

    fn shine(&mut self, screen: Option<[u8; 3]>) {
        self.room.shine(screen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::light::Light;
    use crate::simulation::scene::Moment;
    use crate::simulation::testing::sitters;
    use vultus_vision::liveness::Action;

    struct Nothing;

    impl Prop for Nothing {
        fn draw(&mut self, _: &mut Light, _: [Stance; 2], _: &Moment) {}
    }

    #[test]
    fn the_victim_is_shown_only_while_nothing_is_asked() {
        let [attacker, ..] = sitters();
        let mut swapped = Swapped::new(attacker, Box::new(Nothing), 4);
        let prompt = Some(Prompted { action: Action::Blink, since_s: 0.1 });
        swapped.frame(0.0, None);
        assert_eq!(swapped.raised, 1.0);
        swapped.frame(0.1, prompt);
        assert!(swapped.raised < 1.0);
        swapped.frame(0.7, prompt);
        assert_eq!(swapped.raised, 0.0);
        for i in 0..60 {
            swapped.move_on(2.5 + i as f32 / 30.0, false);
        }
        assert_eq!(swapped.raised, 1.0);
    }
}
