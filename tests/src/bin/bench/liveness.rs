//! What passive liveness costs: each cue by itself, and all that one attempt asks of them, beside a camera
//! frame and beside the look that every frame costs anyway. It says nothing of what a cue is worth.

use std::hint::black_box;

use vultus_tests::measure::timed;
use vultus_tests::pictures;
use vultus_tests::sitter::Sitter;
use vultus_vision::liveness::network::LivenessNetwork;
use vultus_vision::liveness::{Cue, Cues, Glimpse, Suspicion, Track, decision};
use vultus_vision::liveness::{focus, gamut, moire, motion_in_depth, specular, surround};
use vultus_vision::{FaceView, Image, Observation, Observer, manifest};

use crate::{FRAMES, Report, Result};

type Measure = fn(&Image, &FaceView) -> Option<Suspicion>;

/// The cues of one frame.
const CUES: [(Cue, Measure); 5] = [
    (Cue::Moire, moire::measure),
    (Cue::Surround, surround::measure),
    (Cue::Gamut, gamut::measure),
    (Cue::Specular, specular::measure),
    (Cue::Focus, focus::measure),
];
/// On so many frames of an attempt they are asked, and so many frames of 30 a second lie between two: as
/// `vision/src/liveness/sitting.rs` has it.
const ASKED: usize = 5;
const STEP: usize = 6;
/// From this frame of the sitter's sway on, the head goes from one side to the other, so many degrees each:
/// motion in depth needs 10 in all.
const FIRST: usize = 30;
const REACH: f32 = 14.0;
/// How often motion in depth is measured.
const RUNS: usize = 40;
/// One frame of a camera that gives 30 a second, in milliseconds.
const CAMERA_FRAME_MS: f64 = 1000.0 / 30.0;

/// One frame, what was seen in it, and how many milliseconds that took.
struct Look {
    image: Image,
    view: FaceView,
    took: f64,
}

/// Adds all of it to the report.
pub fn measured(report: &mut Report, observer: &Observer, sitter: &Sitter) -> Result<()> {
    let looks = looks(observer, sitter)?;
    cues(report, &looks);
    network(report, &looks)?;
    let track = track(report, &looks);
    let motion = motion(&track)?;
    report.add_times(&format!("liveness: motion in depth, {} frames", track.len()), &motion);
    let (sets, observed) = (sets(&looks, &track), looks.iter().map(|look| look.took).collect::<Vec<f64>>());
    report.add_held("liveness: all cues of an attempt", &sets, CAMERA_FRAME_MS, "a camera frame");
    report.add_compared("liveness: the same cues", &sets, &observed, "observe() of a frame");
    Ok(())
}

fn looks(observer: &Observer, sitter: &Sitter) -> Result<Vec<Look>> {
    let look = |frame: usize| -> Result<Look> {
        let image = pictures::image(&sitter.swaying(frame, REACH))?;
        let (observed, took) = timed(|| observer.observe(&image));
        match observed? {
            Observation::Usable(view) | Observation::Unusable(_, Some(view)) => {
                Ok(Look { image, view, took })
            }
            Observation::Unusable(reason, None) => Err(format!("a frame shows no face: {reason:?}").into()),
        }
    };
    (FIRST..FIRST + FRAMES).map(look).collect()
}

/// Each cue on each frame on which it runs. Of one that runs on none the figures are no numbers.
fn cues(report: &mut Report, looks: &[Look]) {
    for (cue, measure) in CUES {
        let time = |look: &Look| {
            let (said, took) = timed(|| measure(&look.image, &look.view));
            said.map(|_| took)
        };
        let times: Vec<f64> = looks.iter().filter_map(time).collect();
        report.add_times(&format!("liveness, a frame: {}", cue.word()), &times);
    }
}

/// The network that the manifest describes, enabled or not: on a few frames, since it is slow.
fn network(report: &mut Report, looks: &[Look]) -> Result<()> {
    let Some(record) = manifest::records()?.into_iter().find(|record| record.liveness.is_some()) else {
        return Ok(());
    };
    let network = LivenessNetwork::named(&pictures::models(), &record.name)?;
    let run = |look: &Look| {
        let (said, took) = timed(|| network.measure(&look.image, &look.view));
        said.map(|_| took)
    };
    // The first run allocates.
    looks.first().map(run).transpose()?;
    let times = looks.iter().step_by(STEP).map(run).collect::<std::result::Result<Vec<f64>, _>>()?;
    report.add_times(&format!("liveness, a frame, off: {}", record.name), &times);
    Ok(())
}

/// What is kept of the frames, without their cues.
fn track(report: &mut Report, looks: &[Look]) -> Track {
    let (mut track, mut times) = (Track::default(), Vec::new());
    for (at_us, look) in (0..).step_by(33_333).zip(looks) {
        let (glimpse, took) = timed(|| Glimpse::of(&look.image, &look.view, at_us, Cues::Spared));
        track.push(glimpse);
        times.push(took);
    }
    report.add_times("liveness, a frame: glimpse without cues", &times);
    track
}

fn motion(track: &Track) -> Result<Vec<f64>> {
    let time = |_: usize| -> Result<f64> {
        let (said, took) = timed(|| motion_in_depth::measure(track));
        said.map(|_| took).ok_or_else(|| "the head turned too little for motion in depth".into())
    };
    (0..RUNS).map(time).collect()
}

/// The milliseconds of all cues of an attempt, for attempts that begin at each frame in turn.
fn sets(looks: &[Look], track: &Track) -> Vec<f64> {
    let attempt = |frames: &[Look]| {
        let asked = frames.iter().step_by(STEP);
        let ask = || {
            asked.for_each(|look| drop(black_box(decision::of_frame(&look.image, &look.view))));
            black_box(motion_in_depth::measure(track));
        };
        timed(ask).1
    };
    looks.windows((ASKED - 1) * STEP + 1).map(attempt).collect()
}
