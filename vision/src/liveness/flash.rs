//! A random sequence of colours that a screen shows, and whether the face in front of it follows them: light
//! that no recording and no rendering elsewhere can have foreseen. It shows nothing itself; it says what is to be
//! shown, and keeps the mean colours of a few patches of the face, no picture.
//!
//! Colours change two and a half times a second, since more than three flashes a second can harm people (WCAG
//! 2.3.1), and nobody is shown them whose application did not say that it shows them. Paper and masks reflect the
//! colours as skin does: against those stand the actions that are asked for at the same time.
//!
//! ```text
//! nonce → FlashSequence → Flash: turn (what to show now) + see (patches of each frame) → reflection: judge
//! ```

mod reflection;

use crate::image::{Image, Point};
use crate::liveness::challenge::chance::Chance;
use crate::liveness::light;
use crate::mesh::Mesh;
use crate::observe::FaceView;
pub use reflection::Reflection;

/// Under it, colours are drawn.
const CONTEXT: &str = "vultus liveness flash 1";
/// How many colours are shown: with fewer, a face may seem to follow by chance.
pub const COLOURS: usize = 10;
/// How long each is shown, in µs.
pub const SPAN_US: u64 = 400_000;
/// A face that is turned further, in degrees, shows patches of something else.
const STRAIGHT: f32 = 20.0;

/// What a screen can show. All are saturated: the tint is what is looked for, not the brightness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    Red,
    Yellow,
    Green,
    Cyan,
    Blue,
    Magenta,
}

impl Colour {
    pub const ALL: [Self; 6] = [Self::Red, Self::Yellow, Self::Green, Self::Cyan, Self::Blue, Self::Magenta];

    /// What the screen shows, all over.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [255, 0, 0],
            Self::Yellow => [255, 255, 0],
            Self::Green => [0, 255, 0],
            Self::Cyan => [0, 255, 255],
            Self::Blue => [0, 0, 255],
            Self::Magenta => [255, 0, 255],
        }
    }
}

/// Colours in the order in which they are shown, none twice in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashSequence(Vec<Colour>);

impl FlashSequence {
    /// The sequence that follows from a nonce.
    pub fn draw(nonce: &[u8; 32]) -> Self {
        let mut chance = Chance::new(CONTEXT, nonce);
        let mut drawn: Vec<Colour> = Vec::with_capacity(COLOURS);
        while drawn.len() < COLOURS {
            let place = chance.below(Colour::ALL.len() as u32) as usize;
            let colour = Colour::ALL.get(place).filter(|colour| drawn.last() != Some(colour));
            drawn.extend(colour);
        }
        Self(drawn)
    }

    pub fn colours(&self) -> &[Colour] {
        &self.0
    }
}

/// What the screen is to change to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    Shows(Colour),
    /// As it was.
    Off,
}

/// One sequence while it is shown. Times are of the frames' clock.
#[derive(Debug)]
pub struct Flash {
    sequence: FlashSequence,
    /// When each colour was to be shown, and after the last its end.
    turned_us: Vec<u64>,
    faces: Vec<FaceColours>,
}

impl Flash {
    pub fn new(sequence: FlashSequence) -> Self {
        Self { sequence, turned_us: Vec::new(), faces: Vec::new() }
    }

    /// What the screen changes to now, if it does. The first call begins.
    pub fn turn(&mut self, now_us: u64) -> Option<Screen> {
        let due = self.turned_us.last().is_none_or(|last| now_us.saturating_sub(*last) >= SPAN_US);
        if self.is_over() || !due {
            return None;
        }
        let colour = self.sequence.0.get(self.turned_us.len()).copied();
        self.turned_us.push(now_us);
        Some(colour.map_or(Screen::Off, Screen::Shows))
    }

    /// Whether all colours were shown.
    pub fn is_over(&self) -> bool {
        self.turned_us.len() > self.sequence.0.len()
    }

    /// Keeps the colours of a face that was seen while it lasts.
    pub fn see(&mut self, image: &Image, view: &FaceView, at_us: u64) {
        let straight = view.pose.yaw.abs() <= STRAIGHT && view.pose.pitch.abs() <= STRAIGHT;
        if self.turned_us.is_empty() || self.is_over() || !straight {
            return;
        }
        self.faces.extend(FaceColours::of(image, &view.mesh, at_us));
    }

    /// Whether the face followed. Before the end it has not.
    pub fn judge(&self) -> Reflection {
        if self.is_over() { reflection::judge(self, &self.faces) } else { Reflection::TooFaint }
    }

    /// What was shown at a time, in shares of white.
    fn shown(&self, at_us: u64) -> Option<[f32; 3]> {
        let turned = self.turned_us.partition_point(|turned| *turned <= at_us);
        let colour = self.sequence.0.get(turned.checked_sub(1)?)?;
        Some(colour.rgb().map(|byte| f32::from(byte) / 255.0))
    }
}

/// Patches of skin: forehead, bridge of the nose, cheeks, chin. Then what is mostly darker: brows, and the middles of
/// the eyes, where the iris is.
const SKIN: [usize; 5] = [151, 6, 50, 280, 199];
const BROWS: [usize; 2] = [105, 334];
const DARK: usize = BROWS.len() + 2;
/// Their radii, in eye distances.
const SKIN_RADIUS: f32 = 0.1;
const DARK_RADIUS: f32 = 0.045;

/// Mean colours of the patches in one frame, 0 to 255: what the camera made of the light.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FaceColours {
    at_us: u64,
    skin: [[f32; 3]; SKIN.len()],
    dark: [[f32; 3]; DARK],
}

impl FaceColours {
    /// None where a patch lies outside of the picture.
    fn of(image: &Image, mesh: &Mesh, at_us: u64) -> Option<Self> {
        let distance = mesh.eye_distance();
        let patch = |at: Point, radius: f32| light::mean(image, at, radius * distance);
        let (mut skin, mut dark) = ([[0.0; 3]; SKIN.len()], [[0.0; 3]; DARK]);
        for (colour, index) in skin.iter_mut().zip(SKIN) {
            *colour = patch(mesh.at(index), SKIN_RADIUS)?;
        }
        let places = BROWS.map(|index| mesh.at(index)).into_iter().chain(mesh.eye_centres());
        for (colour, place) in dark.iter_mut().zip(places) {
            *colour = patch(place, DARK_RADIUS)?;
        }
        Some(Self { at_us, skin, dark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_colour_comes_twice_in_a_row() {
        for first in 0..=255 {
            let drawn = FlashSequence::draw(&[first; 32]);
            assert_eq!(drawn.colours().len(), COLOURS);
            assert!(drawn.colours().windows(2).all(|pair| pair[0] != pair[1]));
        }
        assert_ne!(FlashSequence::draw(&[1; 32]), FlashSequence::draw(&[2; 32]));
    }

    #[test]
    fn each_colour_has_its_time_and_the_end_is_said_once() {
        let sequence = FlashSequence::draw(&[3; 32]);
        let mut flash = Flash::new(sequence.clone());
        let turned: Vec<(u64, Screen)> = (0..200)
            .filter_map(|frame| {
                let at_us = 5_000_000 + frame * 33_333;
                flash.turn(at_us).map(|screen| (at_us, screen))
            })
            .collect();
        let shown: Vec<Screen> = turned.iter().map(|(_, screen)| *screen).collect();
        let wanted = sequence.colours().iter().map(|colour| Screen::Shows(*colour));
        assert_eq!(shown, wanted.chain([Screen::Off]).collect::<Vec<_>>());
        assert!(turned.windows(2).all(|pair| pair[1].0 - pair[0].0 >= SPAN_US));
        assert!(flash.is_over());
        assert_eq!(flash.judge(), Reflection::TooFaint, "nothing was seen");
    }
}
