//! The films that the demo and the tests put into the camera: simulated sitters and what can go wrong
//! with them.

use std::error::Error;

use vultus_vision::{Models, Observer};

use crate::pictures::{self, Photograph, photograph};
use crate::sitter::{HEIGHT, Sitter, Stance, WIDTH};
use crate::video::Picture;

/// How far a sitter turns, in degrees.
const REACH: f32 = 14.0;

/// The networks, from the folder that set-up filled.
pub fn observer() -> Result<Observer, Box<dyn Error>> {
    Ok(Observer::load(&Models::read(&pictures::models())?)?)
}

pub fn sitter(observer: &Observer, which: Photograph) -> Result<Sitter, Box<dyn Error>> {
    Sitter::new(observer, &photograph(which)?)
}

/// Person A as two of the photographs show her or him, in turn, a second each.
pub fn enrolment(observer: &Observer) -> Result<Vec<Picture>, Box<dyn Error>> {
    let sitters = [sitter(observer, Photograph::FirstOfA)?, sitter(observer, Photograph::SecondOfA)?];
    Ok((0..120).map(|i| sitters[i / 30 % 2].swaying(i, REACH)).collect())
}

/// A person who sways a little.
pub fn swaying(observer: &Observer, which: Photograph) -> Result<Vec<Picture>, Box<dyn Error>> {
    Ok(sitter(observer, which)?.clip(2.0, 6.0))
}

/// One frame for each thing that keeps a face from being judged, by name.
pub fn shortfalls(observer: &Observer) -> Result<Vec<(&'static str, Picture)>, Box<dyn Error>> {
    let sitter = sitter(observer, Photograph::FirstOfA)?;
    let stance = |light, yaw| sitter.frame(Stance { light, yaw, ..Stance::STRAIGHT });
    let straight = stance(1.0, 0.0);
    let empty = Picture { width: WIDTH, height: HEIGHT, rgb: vec![120; (WIDTH * HEIGHT * 3) as usize] };
    Ok(vec![
        ("empty", empty),
        ("dark", stance(0.18, 0.0)),
        ("bright", stance(2.4, 0.0)),
        ("turned", stance(1.0, 38.0)),
        ("far", scaled(&straight, 0.5)),
        ("near", scaled(&straight, 2.6)),
        ("blurred", blurred(&straight, 6)),
        ("covered", covered(&straight)),
        ("several", side_by_side(&straight, self::sitter(observer, Photograph::PersonB)?.base())),
    ])
}

/// The picture larger or smaller about its middle; grey beside it.
pub fn scaled(picture: &Picture, factor: f32) -> Picture {
    let (width, height) = (picture.width as f32, picture.height as f32);
    let mut rgb = vec![110; picture.rgb.len()];
    for y in 0..picture.height {
        for x in 0..picture.width {
            let sx = (x as f32 - width / 2.0) / factor + width / 2.0;
            let sy = (y as f32 - height / 2.0) / factor + height / 2.0;
            if (0.0..width).contains(&sx) && (0.0..height).contains(&sy) {
                let from = (sy as usize * picture.width as usize + sx as usize) * 3;
                let to = ((y * picture.width + x) * 3) as usize;
                rgb[to..to + 3].copy_from_slice(&picture.rgb[from..from + 3]);
            }
        }
    }
    Picture { rgb, ..*picture }
}

/// A box blur of that radius, twice.
pub fn blurred(picture: &Picture, radius: i64) -> Picture {
    let once = |p: &Picture, along: (i64, i64)| {
        let mut rgb = vec![0; p.rgb.len()];
        for y in 0..i64::from(p.height) {
            for x in 0..i64::from(p.width) {
                for c in 0..3 {
                    let mut sum = 0u32;
                    for k in -radius..=radius {
                        let sx = (x + k * along.0).clamp(0, i64::from(p.width) - 1);
                        let sy = (y + k * along.1).clamp(0, i64::from(p.height) - 1);
                        sum += u32::from(p.rgb[((sy * i64::from(p.width) + sx) * 3 + c) as usize]);
                    }
                    rgb[((y * i64::from(p.width) + x) * 3 + c) as usize] =
                        (sum / (2 * radius as u32 + 1)) as u8;
                }
            }
        }
        Picture { rgb, ..*p }
    };
    once(&once(picture, (1, 0)), (0, 1))
}

/// The lower half of the face behind a dark cloth.
pub fn covered(picture: &Picture) -> Picture {
    let mut rgb = picture.rgb.clone();
    for y in 235..360u32 {
        for x in 220..420u32 {
            let at = ((y * picture.width + x) * 3) as usize;
            rgb[at..at + 3].copy_from_slice(&[18, 34, 72]);
        }
    }
    Picture { rgb, ..*picture }
}

/// The middle halves of two pictures beside each other.
pub fn side_by_side(left: &Picture, right: &Picture) -> Picture {
    let mut rgb = vec![0; left.rgb.len()];
    let half = left.width / 2;
    for y in 0..left.height {
        for x in 0..left.width {
            let (source, sx) = if x < half { (left, x + half / 2) } else { (right, x - half / 2) };
            let (from, to) = (((y * left.width + sx) * 3) as usize, ((y * left.width + x) * 3) as usize);
            rgb[to..to + 3].copy_from_slice(&source.rgb[from..from + 3]);
        }
    }
    Picture { rgb, ..*left }
}
