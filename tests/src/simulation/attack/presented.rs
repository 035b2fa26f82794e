//! An attacker who holds something up, or puts it on a table, and perhaps moves it as a head would
//! move. It shows no face of the attacker's, unless one peeps out beside what is held.

use crate::simulation::attack::props::{Paper, Prop, Shown};
use crate::simulation::light::Light;
use crate::simulation::person::{Body, Manner, Person};
use crate::simulation::scene::Room;
use crate::simulation::{Cast, Performance, Prompted};
use crate::sitter::{FINE, Stance, View};
use crate::video::Picture;

/// How the attacker sits behind what is held up.
const BEHIND: Stance = Stance { scale: 0.8, ..Stance::STRAIGHT };
/// How little of the room is in focus behind a screen, in scene pixels.
const OUT_OF_FOCUS: f32 = 2.0;

/// What is seen beside it.
enum Background<'a> {
    Attacker(Person<'a>),
    Room(Light),
}

pub struct Presented<'a> {
    room: Room,
    background: Background<'a>,
    manner: Manner,
    /// Whether it is moved when something is asked.
    imitates: bool,
    prop: Box<dyn Prop + 'a>,
}

impl<'a> Presented<'a> {
    /// Paper is all that the attacker has, so it is moved.
    pub fn paper(cast: Cast<'a>, paper: Paper, seed: u64) -> Self {
        Self {
            room: Room::new(seed),
            background: Background::Attacker(Person::new(cast.attacker, seed)),
            manner: Manner::new(Body::Hands, seed),
            imitates: true,
            prop: Box::new(paper),
        }
    }

    pub fn phone(cast: Cast<'a>, shown: Shown<'a>, seed: u64) -> Self {
        Self {
            room: Room::new(seed).dark(),
            background: Background::Attacker(Person::new(cast.attacker, seed)),
            manner: Manner::new(Body::Hands, seed),
            imitates: false,
            prop: Box::new(shown),
        }
    }

    pub fn monitor(cast: Cast<'a>, shown: Shown<'a>, seed: u64) -> Self {
        Self {
            room: Room::new(seed).dark(),
            background: Background::Room(cast.attacker.fine().blurred(OUT_OF_FOCUS)),
            manner: Manner::new(Body::Table, seed),
            imitates: false,
            prop: Box::new(shown),
        }
    }
}

impl Performance for Presented<'_> {
    fn frame(&mut self, at_s: f32, prompt: Option<Prompted>) -> Picture {
        let moment = self.room.moment(at_s, prompt);
        let scene = &mut self.room.scene;
        match &mut self.background {
            Background::Attacker(person) => {
                let held = person.held(at_s, moment.readout_s, None).map(|stance| stance.with(BEHIND));
                person.sitter.appear(held, scene, View::whole(FINE as f32), &moment.glow);
            }
            Background::Room(room) => scene.pixels.copy_from_slice(&room.pixels),
        }
        if self.imitates {
            self.manner.hear(at_s, prompt);
        }
        let held = [self.manner.stance(at_s), self.manner.stance(at_s + moment.readout_s)];
        self.prop.draw(scene, held, &moment);
        self.room.taken(at_s)
    }

    fn shine(&mut self, screen: Option<[u8; 3]>) {
        self.room.shine(screen);
    }
}
