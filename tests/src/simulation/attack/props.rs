//! What attackers put before a camera, with the hands that hold it: paper, and screens. Where it is and
//! how it is turned is decided elsewhere.

use std::f32::consts::TAU;

use crate::simulation::Cast;
use crate::simulation::attack::footage::Footage;
use crate::simulation::light::Light;
use crate::simulation::medium::hands::Hand;
use crate::simulation::medium::print::{Finish, Print};
use crate::simulation::medium::screen::Screen;
use crate::simulation::medium::surface::Sheet;
use crate::simulation::random::Chance;
use crate::simulation::recording::{self, Crop};
use crate::simulation::scene::Moment;
use crate::sitter::{MIDDLE, Stance};

/// Something that is held in place of a head.
pub trait Prop {
    /// Draws it as held when the first and when the last row is exposed.
    fn draw(&mut self, onto: &mut Light, held: [Stance; 2], moment: &Moment);
}

/// How large the victim's face is seen, over what it would be in life.
const APPARENT: [f32; 2] = [0.88, 1.06];

/// A print in hands.
pub struct Paper {
    print: Print,
    distance: f32,
    /// One over the radius that hands bend it to.
    bend: f32,
    hands: Vec<Hand>,
}

impl Paper {
    pub fn new(cast: Cast<'_>, finish: Finish, seed: u64) -> Self {
        let mut chance = Chance::new(seed, "paper");
        let photograph = recording::photograph(cast.victim, Stance::STRAIGHT, Crop::Photograph, seed);
        let print = Print::new(&photograph, cast.victim.middle(), finish, seed);
        let skin = cast.attacker.skin();
        // With both hands, or with one.
        let sides = chance.pick([[-1.0, 1.0], [-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]]);
        let both = if sides[0] == sides[1] { &sides[..1] } else { &sides[..] };
        let hand = |&side: &f32| {
            let reach = chance.between(24.0, 38.0);
            Hand::new(side, print.size(), reach, skin, &mut chance)
        };
        let hands = both.iter().map(hand).collect();
        let distance = print.distance(chance.between(APPARENT[0], APPARENT[1]));
        Self { print, distance, bend: 0.0, hands }
    }

    /// Bent about an upright axis, which gives it some depth.
    pub fn bent(self, seed: u64) -> Self {
        let radius = self.print.size()[0] * Chance::new(seed, "bend").between(0.6, 1.1);
        Self { bend: 1.0 / radius, ..self }
    }
}

impl Prop for Paper {
    fn draw(&mut self, onto: &mut Light, held: [Stance; 2], moment: &Moment) {
        // Hands do not keep the bend quite the same.
        let bend = self.bend * (1.0 + 0.15 * (TAU * 0.31 * moment.at_s).sin());
        let sheets = held.map(|stance| Sheet::held(self.print.middle(), self.distance, stance).bent(bend));
        for hand in &self.hands {
            hand.draw_fingers(onto, sheets, &moment.glow);
        }
        self.print.draw(onto, sheets, moment);
        for hand in &self.hands {
            hand.draw_thumb(onto, sheets, &moment.glow);
        }
    }
}

/// A screen, and what it shows.
pub struct Shown<'a> {
    screen: Screen,
    footage: Box<dyn Footage + 'a>,
    distance: f32,
    hand: Option<Hand>,
}

impl<'a> Shown<'a> {
    /// In the attacker's hand.
    pub fn on_phone(cast: Cast<'a>, footage: Box<dyn Footage + 'a>, seed: u64) -> Self {
        let screen = Screen::phone(cast.attacker.fine(), seed);
        let mut chance = Chance::new(seed, "phone in hand");
        // A phone is held so that its picture is not covered.
        let (side, reach) = (chance.sign(), chance.between(4.0, 10.0));
        let hand = Hand::new(side, screen.outer(), reach, cast.attacker.skin(), &mut chance);
        let distance = screen.distance(chance.between(APPARENT[0], APPARENT[1]));
        Self { screen, footage, distance, hand: Some(hand) }
    }

    /// On the table.
    pub fn on_monitor(cast: Cast<'a>, footage: Box<dyn Footage + 'a>, seed: u64) -> Self {
        let screen = Screen::monitor(cast.attacker.fine(), seed);
        let apparent = Chance::new(seed, "monitor before camera").between(APPARENT[0], APPARENT[1]);
        let distance = screen.distance(apparent);
        Self { screen, footage, distance, hand: None }
    }
}

impl Prop for Shown<'_> {
    fn draw(&mut self, onto: &mut Light, held: [Stance; 2], moment: &Moment) {
        self.screen.show(self.footage.picture(moment.at_s, moment.prompt), moment);
        let sheets = held.map(|stance| Sheet::held(MIDDLE, self.distance, stance));
        if let Some(hand) = &self.hand {
            hand.draw_fingers(onto, sheets, &moment.glow);
        }
        self.screen.draw(onto, sheets, moment);
        if let Some(hand) = &self.hand {
            hand.draw_thumb(onto, sheets, &moment.glow);
        }
    }
}
