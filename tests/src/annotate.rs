//! Draws what the vision saw onto a frame, for people to look at.

use std::path::{Path, PathBuf};

use vultus_vision::{FaceView, Observation, Observer};

use crate::pictures;
use crate::video::Picture;

const GREEN: [u8; 3] = [40, 220, 60];
const RED: [u8; 3] = [230, 40, 40];

/// Looks at a frame and saves it with box and landmarks, its verdict in the file's name.
pub fn save(
    observer: &Observer,
    name: &str,
    picture: &Picture,
    folder: &Path,
) -> Result<PathBuf, Box<dyn std::error::Error>> {
    let observation = observer.observe(&pictures::image(picture)?)?;
    let (verdict, view) = match &observation {
        Observation::Usable(view) => ("usable".to_owned(), Some(view)),
        Observation::Unusable(shortfall, view) => (format!("{shortfall:?}"), view.as_ref()),
    };
    let mut drawn = picture.clone();
    let colour = if verdict == "usable" { GREEN } else { RED };
    if let Some(view) = view {
        draw(&mut drawn, view, colour);
    }
    std::fs::create_dir_all(folder)?;
    let path = folder.join(format!("{name}-{}.png", verdict.to_lowercase()));
    write_png(&path, &drawn)?;
    Ok(path)
}

pub fn write_png(path: &Path, picture: &Picture) -> Result<(), Box<dyn std::error::Error>> {
    let kind = image::ColorType::Rgb8;
    Ok(image::save_buffer(path, &picture.rgb, picture.width, picture.height, kind)?)
}

fn draw(picture: &mut Picture, view: &FaceView, colour: [u8; 3]) {
    let detection = &view.detection;
    let (w, h) = (detection.width / 2.0, detection.height / 2.0);
    let (left, right) = ((detection.centre.x - w) as i64, (detection.centre.x + w) as i64);
    let (top, bottom) = ((detection.centre.y - h) as i64, (detection.centre.y + h) as i64);
    for x in left..=right {
        dot(picture, x, top, colour);
        dot(picture, x, bottom, colour);
    }
    for y in top..=bottom {
        dot(picture, left, y, colour);
        dot(picture, right, y, colour);
    }
    for point in &view.mesh.points {
        dot(picture, point.x.round() as i64, point.y.round() as i64, colour);
    }
}

fn dot(picture: &mut Picture, x: i64, y: i64, colour: [u8; 3]) {
    if (0..i64::from(picture.width)).contains(&x) && (0..i64::from(picture.height)).contains(&y) {
        let at = (y as usize * picture.width as usize + x as usize) * 3;
        picture.rgb[at..at + 3].copy_from_slice(&colour);
    }
}
