//! Runs the product's liveness over one presentation: what its cues said, whether it was continuous, and
//! whether what was asked was done. It compares nobody with anybody, and sets no bound.

use serde::{Deserialize, Serialize};
use vultus_vision::liveness::{Baseline, Cue, Failure, Reading, Sitting, Standing, Suspicion};
use vultus_vision::{FaceView, Image, Observation, Observer, Shortfall, VisionError};

use super::film::{FilmError, Shots};
use super::prompts::Prompts;
use super::sidecar::Prompt;

/// What one presentation came to. It goes into the records: no picture, no embedding.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub frames: u64,
    /// Frames with one face that could be followed.
    pub faces: u64,
    /// Those of them in which it could be judged. Without any, there is no response.
    pub usable: u64,
    /// The word of the first break in continuity, if there was one.
    pub failure: Option<String>,
    /// What each cue said, by its word; none where it could not run. What is no number is written as the
    /// largest number there is, since JSON knows no other.
    pub readings: Vec<(String, Option<f32>)>,
    /// Prompts, and those that were answered.
    pub asked: u32,
    pub answered: u32,
}

impl Measured {
    /// Of a presentation of which only this is known.
    pub fn of(readings: &[Reading]) -> Self {
        let readings = readings.iter().map(written).collect();
        Self { frames: 1, faces: 1, usable: 1, readings, ..Self::default() }
    }

    /// Cues that this version does not know are left out.
    pub fn readings(&self) -> Vec<Reading> {
        let known = |word: &str| Cue::ALL.into_iter().find(|cue| cue.word() == word);
        let suspicion = |written: f32| Suspicion(if written == f32::MAX { f32::NAN } else { written });
        let read = self.readings.iter().filter_map(|(word, said)| Some((known(word)?, said.map(suspicion))));
        read.map(|(cue, suspicion)| Reading { cue, suspicion }).collect()
    }

    /// Whether the subsystem had a face to respond to.
    pub fn responded(&self) -> bool {
        self.usable > 0
    }
}

fn written(reading: &Reading) -> (String, Option<f32>) {
    let number = |Suspicion(s): Suspicion| if s.is_nan() { f32::MAX } else { s.clamp(f32::MIN, f32::MAX) };
    (reading.cue.word().to_owned(), reading.suspicion.map(number))
}

/// Why a presentation was not measured.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Of this presentation alone: it is counted.
    #[error(transparent)]
    Film(#[from] FilmError),
    /// Of a model, or of this program: nothing can be measured.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// Watches a presentation to its end.
pub fn measure(observer: &Observer, shots: Shots, prompts: &[Prompt]) -> Result<Measured, Trouble> {
    let mut watched = Watched::new(prompts);
    for shot in shots {
        let shot = shot?;
        let observation = observer.observe(&shot.image)?;
        watched.look(&shot.image, &observation, shot.at_us);
    }
    if watched.measured.frames == 0 {
        return Err(FilmError::Empty.into());
    }
    Ok(watched.finish())
}

/// One presentation while it is watched.
struct Watched<'a> {
    prompts: Prompts<'a>,
    /// From the first face on: before it there is nothing to lose.
    sitting: Option<Sitting>,
    measured: Measured,
}

impl<'a> Watched<'a> {
    fn new(prompts: &'a [Prompt]) -> Self {
        let measured = Measured { asked: prompts.len() as u32, ..Measured::default() };
        Self { prompts: Prompts::new(prompts), sitting: None, measured }
    }

    fn look(&mut self, image: &Image, observation: &Observation, at_us: u64) {
        self.measured.frames += 1;
        let face = followed(observation);
        if let Some(view) = face {
            self.measured.faces += 1;
            if matches!(observation, Observation::Usable(_)) {
                self.measured.usable += 1;
                self.prompts.rest(Baseline::of(&view.mesh));
            }
            self.sitting.get_or_insert_with(|| sitting(view));
        }
        let Some(sitting) = &mut self.sitting else {
            return;
        };
        if let Standing::Failed(failure) = sitting.look(image, observation, at_us) {
            self.measured.failure.get_or_insert_with(|| Failure::word(failure).to_owned());
        }
        self.prompts.look(sitting.track(), at_us);
    }

    fn finish(self) -> Measured {
        let Some(sitting) = &self.sitting else {
            return self.measured;
        };
        let readings = sitting.readings().iter().map(written).collect();
        Measured { readings, answered: self.prompts.finish(sitting.track()), ..self.measured }
    }
}

/// The one place that begins a sitting: nothing is asked, since what was asked of whoever was recorded is
/// known only from the sidecar.
fn sitting(view: &FaceView) -> Sitting {
    Sitting::new(Baseline::of(&view.mesh), None)
}

/// The face that a sitting follows, if it does: as `Sitting::look` has it.
fn followed(observation: &Observation) -> Option<&FaceView> {
    match observation {
        Observation::Usable(view) => Some(view),
        Observation::Unusable(Shortfall::Turned | Shortfall::Blurred, Some(view)) => Some(view),
        Observation::Unusable(..) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_outlive_their_record() {
        let said = [Some(0.25), None, Some(f32::NAN), Some(f32::INFINITY), Some(-7.5)];
        let cues = [Cue::Moire, Cue::Surround, Cue::Gamut, Cue::Specular, Cue::Focus];
        let readings =
            cues.into_iter().zip(said).map(|(cue, s)| Reading { cue, suspicion: s.map(Suspicion) });
        let readings = readings.map(|reading| written(&reading)).collect();
        let measured = Measured { readings, ..Measured::default() };
        let line = serde_json::to_string(&measured).unwrap();
        let back: Measured = serde_json::from_str(&line).unwrap();
        assert_eq!(back, measured);
        let suspicion = |place: usize| back.readings()[place].suspicion.map(|s| s.0);
        assert_eq!((suspicion(0), suspicion(1), suspicion(4)), (Some(0.25), None, Some(-7.5)));
        assert!(suspicion(2).unwrap().is_nan() && suspicion(3).unwrap().is_nan());
    }

    #[test]
    fn cues_of_other_versions_are_left_out() {
        let readings = vec![("aura".to_owned(), Some(1.0)), ("focus".to_owned(), None)];
        let readings = Measured { readings, ..Measured::default() }.readings();
        assert_eq!(readings, [Reading { cue: Cue::Focus, suspicion: None }]);
    }

    #[test]
    fn without_a_face_there_is_no_response() {
        let mut watched = Watched::new(&[]);
        let image = Image::from_grey(2, 2, &[0; 4]).unwrap();
        for (at_us, shortfall) in [(1, Shortfall::NoFace), (2, Shortfall::SeveralFaces)] {
            watched.look(&image, &Observation::Unusable(shortfall, None), at_us);
        }
        let measured = watched.finish();
        assert_eq!((measured.frames, measured.faces, measured.responded()), (2, 0, false));
        assert_eq!((measured.failure, measured.readings), (None, vec![]));
    }
}
