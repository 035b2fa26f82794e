//! Turns pictures into embeddings, on all cores. It judges no quality and compares nothing: a picture
//! of which it can make nothing is counted, never left out.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use image::{DynamicImage, ImageDecoder, ImageReader, ImageResult, Limits};
use indicatif::{ProgressBar, ProgressStyle};
use vultus_vision::{Embedding, Image, Observation, Observer, VisionError};

/// Below this probability, the landmark network saw no face where the detector did.
const LEAST_PRESENCE: f32 = 0.5;
/// The largest side that is decoded, in pixels: as much as the vision crate takes.
const LARGEST_SIDE: u32 = 8192;

/// What all pictures gave.
pub struct Extraction {
    /// One for each picture, in the pictures' order; None where no face was acquired.
    pub faces: Vec<Option<Embedding>>,
    /// Pictures that were decoded, and showed no face that could be embedded.
    pub not_found: u64,
    /// Files that are no picture, or too large a one.
    pub unreadable: u64,
}

/// How many threads to work with.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}

/// The largest face of each picture. An error is a defect of a model or of the program, not of a
/// picture.
pub fn faces(pictures: &[PathBuf], observer: &Observer, quiet: bool) -> Result<Extraction, VisionError> {
    let bar = progress(pictures.len(), quiet);
    let next = AtomicUsize::new(0);
    let shares: Vec<Result<Share, VisionError>> = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..cores()).map(|_| scope.spawn(|| work(pictures, observer, &next, &bar))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.map(|share| share.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    bar.finish_and_clear();
    let mut all = Extraction { faces: Vec::new(), not_found: 0, unreadable: 0 };
    all.faces.resize_with(pictures.len(), || None);
    for share in shares {
        let share = share?;
        all.not_found += share.not_found;
        all.unreadable += share.unreadable;
        for (place, face) in share.faces {
            all.faces[place] = Some(face);
        }
    }
    Ok(all)
}

/// Hidden where nobody looks.
fn progress(pictures: usize, quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} pictures, {eta} left");
    ProgressBar::new(pictures as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// What one thread gave, with the places of its pictures.
#[derive(Default)]
struct Share {
    faces: Vec<(usize, Embedding)>,
    not_found: u64,
    unreadable: u64,
}

/// Takes picture after picture until none is left.
fn work(
    pictures: &[PathBuf],
    observer: &Observer,
    next: &AtomicUsize,
    bar: &ProgressBar,
) -> Result<Share, VisionError> {
    let mut share = Share::default();
    loop {
        let place = next.fetch_add(1, Ordering::Relaxed);
        let Some(path) = pictures.get(place) else {
            return Ok(share);
        };
        match decode(path) {
            None => share.unreadable += 1,
            Some(image) => match largest_face(observer, &image) {
                Ok(Some(face)) => share.faces.push((place, face)),
                Ok(None) => share.not_found += 1,
                Err(error) => {
                    // The others need not finish for nothing.
                    next.store(pictures.len(), Ordering::Relaxed);
                    return Err(error);
                }
            },
        }
        bar.inc(1);
    }
}

/// None of a file that is no picture, or too large a one.
pub(super) fn decode(path: &Path) -> Option<Image> {
    let picture = upright(path).ok()?.into_rgb8();
    let (width, height) = picture.dimensions();
    Image::from_rgb(width, height, picture.into_raw()).ok()
}

/// Decodes a file by its content, turned as its camera says it was held: telephones store portraits
/// lying on their side.
fn upright(path: &Path) -> ImageResult<DynamicImage> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    let mut reader = ImageReader::open(path)?.with_guessed_format()?;
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// The embedding of the largest face, whatever its quality.
fn largest_face(observer: &Observer, image: &Image) -> Result<Option<Embedding>, VisionError> {
    let detections = observer.detections(image)?;
    let Some(largest) = detections.into_iter().max_by(|a, b| a.side().total_cmp(&b.side())) else {
        return Ok(None);
    };
    match observer.view(image, largest)? {
        Observation::Usable(view) | Observation::Unusable(_, Some(view)) => {
            if view.mesh.presence < LEAST_PRESENCE {
                return Ok(None);
            }
            observer.embed(image, &view)
        }
        Observation::Unusable(_, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_told_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("png.jpg");
        let drawn = image::RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 7]));
        drawn.save_with_format(&path, image::ImageFormat::Png).unwrap();
        let image = decode(&path).unwrap();
        assert_eq!((image.width(), image.height()), (3, 2));
        assert_eq!(image.pixel(2, 1), [2, 1, 7]);
    }

    #[test]
    fn what_is_no_picture_gives_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.png");
        std::fs::write(&path, "no picture").unwrap();
        assert!(decode(&path).is_none());
        assert!(decode(&folder.path().join("missing.jpg")).is_none());
        let wide = folder.path().join("wide.png");
        image::RgbImage::new(LARGEST_SIDE + 1, 1).save(&wide).unwrap();
        assert!(decode(&wide).is_none());
    }
}
