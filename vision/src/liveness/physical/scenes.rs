//! Made-up infrared pictures and depth streams of a head, and of what is held up in its place. They come from
//! formulas, and say nothing of how people, prints and cameras measure.

use crate::image::{Image, Point};
use crate::liveness::depth::{Calibration, DepthMap, DepthUnit, Pinhole};
use crate::liveness::fixtures::{self, noise, picture};
use crate::observe::FaceView;

/// Where the face is in the picture, and how large: pixels between the eyes.
const EYES: Point = Point { x: 320.0, y: 220.0 };
const UNIT: f32 = 60.0;

pub fn view() -> FaceView {
    fixtures::facing(EYES, UNIT)
}

/// A place in eye distances from the middle between the eyes: right, down.
fn place(x: f32, y: f32) -> (f32, f32) {
    ((x - EYES.x) / UNIT, (y - EYES.y) / UNIT)
}

/// What an infrared camera sees, in levels, by the place.
pub struct Infrared {
    /// Without the emitter.
    ambient: fn(f32, f32) -> f32,
    /// What the emitter adds.
    emitter: fn(f32, f32) -> f32,
}

/// The same scene without the emitter, and with it.
pub struct Pictures {
    pub dark: Image,
    pub lit: Image,
}

impl Infrared {
    pub fn pictures(&self) -> Pictures {
        let frame = |lit: bool, seed: usize| {
            picture(640, 480, |x, y| {
                let (right, down) = place(x as f32, y as f32);
                let more = if lit { (self.emitter)(right, down) } else { 0.0 };
                [(self.ambient)(right, down) + more + 2.0 * noise(x + seed, y); 3]
            })
        };
        Pictures { dark: frame(false, 0), lit: frame(true, 640) }
    }
}

/// An eye that looks into the camera, with skin around it of this level: the cornea mirrors the emitter.
fn living_eye(x: f32, y: f32, skin: f32) -> f32 {
    match from_eye(x, y) {
        _ if from_eye(x, y + 0.02) < 0.022 => 215.0,
        eye if eye < 0.05 => 12.0,
        eye if eye < 0.09 => 70.0,
        _ => skin,
    }
}

/// The same in ink that absorbs infrared light: where it shines, the paper is bare.
fn printed_eye(x: f32, y: f32, skin: f32, paper: f32) -> f32 {
    match from_eye(x, y) {
        _ if from_eye(x, y + 0.02) < 0.022 => paper,
        eye if eye < 0.05 => 14.0,
        eye if eye < 0.09 => 0.6 * skin,
        _ => skin,
    }
}

/// How far a place is from the middle of the nearer eye.
fn from_eye(x: f32, y: f32) -> f32 {
    (x.abs() - 0.5).hypot(y)
}

fn is_face(x: f32, y: f32) -> bool {
    (x / 1.2).hypot((y - 0.4) / 1.6) < 1.0
}

/// This before the room of a head, which lies in the dark.
fn cut_out(x: f32, y: f32, face: f32) -> f32 {
    if is_face(x, y) { face } else { 8.0 }
}

/// A head in a dark room, and by daylight.
pub const HEAD: Infrared =
    Infrared { ambient: |_, _| 10.0, emitter: |x, y| cut_out(x, y, living_eye(x, y, 110.0)) };
pub const HEAD_BY_DAY: Infrared = Infrared {
    ambient: |x, y| if is_face(x, y) { 50.0 } else { 35.0 },
    emitter: |x, y| cut_out(x, y, living_eye(x, y, 90.0)),
};
/// A print of ink that infrared light does not see: paper alone.
pub const PRINT: Infrared = Infrared { ambient: |_, _| 10.0, emitter: |_, _| 110.0 };
/// The same, hardly larger than the face.
pub const SMALL_PRINT: Infrared = Infrared {
    ambient: |_, _| 10.0,
    emitter: |x, y| if x.abs() < 1.5 && (y - 0.4).abs() < 1.9 { 110.0 } else { 8.0 },
};
/// The same, bent about the vertical.
pub const BENT_PRINT: Infrared =
    Infrared { ambient: |_, _| 10.0, emitter: |x, _| 110.0 * (1.0 - (x / 2.6).powi(2)).max(0.0).sqrt() };
/// A print of toner from an infrared photograph, cut out along the face, with bare paper for the glints.
pub const CUT_OUT_PRINT: Infrared =
    Infrared { ambient: |_, _| 10.0, emitter: |x, y| cut_out(x, y, printed_eye(x, y, 75.0, 100.0)) };
/// The same with much toner for the skin.
pub const DARK_CUT_OUT_PRINT: Infrared =
    Infrared { ambient: |_, _| 10.0, emitter: |x, y| cut_out(x, y, printed_eye(x, y, 55.0, 115.0)) };
/// A display that is seen in infrared light, and the hands that hold it.
pub const SCREEN: Infrared = Infrared {
    ambient: |x, y| if is_face(x, y) { 70.0 } else { 20.0 },
    emitter: |x, _| if x.abs() < 2.4 { 1.0 } else { 70.0 },
};
/// A matte mask with painted eyes, and with holes for living ones.
pub const MASK: Infrared = Infrared { ambient: |_, _| 10.0, emitter: |x, y| cut_out(x, y, 95.0) };
pub const MASK_WITH_EYES: Infrared =
    Infrared { ambient: |_, _| 10.0, emitter: |x, y| cut_out(x, y, living_eye(x, y, 95.0)) };
/// A head that no emitter lights.
pub const UNLIT_HEAD: Infrared =
    Infrared { ambient: |x, y| cut_out(x, y, living_eye(x, y, 110.0)), emitter: |_, _| 0.0 };

/// Millimetres from the camera, by the place; 0 where the camera finds no depth.
pub type Shape = fn(f32, f32) -> f32;

/// How far away the eyes are, in millimetres: 63 of them are [`UNIT`] pixels there.
const AWAY: f32 = 630.0;

pub const ROUND: Shape = |x, y| AWAY + 63.0 * fixtures::surface(x, y);
pub const PLANE: Shape = |x, y| AWAY + 20.0 * x + 10.0 * y;
pub const CYLINDER: Shape = |x, _| AWAY + 25.0 * x * x;
pub const PLANE_WITH_NOSE: Shape = |x, y| AWAY - nose(x, y);
pub const CYLINDER_WITH_NOSE: Shape = |x, y| AWAY + 25.0 * x * x - nose(x, y);
/// The glass of a display: even, or seen through.
pub const GLASS: Shape = |_, _| AWAY;
pub const HOLES: Shape = |_, _| 0.0;
pub const STATUETTE: Shape = |x, y| 0.4 * (AWAY + 63.0 * fixtures::surface(x, y));

fn nose(x: f32, y: f32) -> f32 {
    31.0 * (-(x / 0.16).powi(2) - ((y - 0.55) / 0.3).powi(2)).exp()
}

/// The colour camera, and a depth camera in the same place with half as many pixels.
pub const CAMERAS: Calibration = Calibration {
    depth: Pinhole { fx: 300.0, fy: 300.0, cx: 159.5, cy: 119.5 },
    colour: Pinhole { fx: 600.0, fy: 600.0, cx: 319.5, cy: 239.5 },
    rotation: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    translation: [0.0; 3],
};

/// One map of a shape, with an error of up to 2 mm, as the bytes of a stream of half millimetres.
pub fn depth_map(shape: Shape, seed: usize) -> DepthMap {
    let steps = |at: usize| {
        let (column, row) = (at % 320, at / 320);
        let (right, down) = place(2.0 * column as f32 + 0.5, 2.0 * row as f32 + 0.5);
        match shape(right, down) {
            depth if depth > 0.0 => (2.0 * (depth + 2.0 * noise(column + 320 * seed, row))).round() as u16,
            _ => 0,
        }
    };
    let bytes: Vec<u8> = (0..320 * 240).flat_map(|at| steps(at).to_le_bytes()).collect();
    let unit = DepthUnit::of_metres(0.0005).unwrap();
    DepthMap::from_z16(320, 240, &bytes, unit).unwrap()
}
