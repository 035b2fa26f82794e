use super::scenes::*;
use super::*;
use crate::liveness::decision::{Demand, Rule};
use crate::liveness::fixtures::picture;
use crate::mesh::Landmark;

const START_US: u64 = 1_000_000;
const STEP_US: u64 = 33_333;

/// An attempt in front of cameras that give 30 frames a second.
struct Attempt {
    physical: Physical,
    view: FaceView,
    at_us: u64,
}

impl Attempt {
    fn new() -> Self {
        Self { physical: Physical::default(), view: view(), at_us: START_US }
    }

    /// So many frames of a scene, every other one lit. A face is found in the lit ones, and where `by_day`, in all.
    fn flash(&mut self, scene: &Infrared, frames: usize, by_day: bool) -> &mut Self {
        let pictures = scene.pictures();
        for lit in (0..frames).map(|i| i % 2 == 0) {
            let image = if lit { &pictures.lit } else { &pictures.dark };
            let found = (lit || by_day).then_some(&self.view);
            self.at_us += STEP_US;
            self.physical.look_infrared(image, found, self.at_us, Emitter::ByItself);
        }
        self
    }

    /// The same by a pattern: the emitter is told the one, and does the other.
    fn command(&mut self, scene: &Infrared, told: &str, done: &str) -> &mut Self {
        let pictures = scene.pictures();
        for (told, done) in told.chars().zip(done.chars()) {
            let lit = done == '#';
            let image = if lit { &pictures.lit } else { &pictures.dark };
            self.at_us += STEP_US;
            let emitter = Emitter::Commanded { lit: told == '#' };
            self.physical.look_infrared(image, lit.then_some(&self.view), self.at_us, emitter);
        }
        self
    }

    /// So many depth maps of a shape.
    fn measure(&mut self, shape: Shape, maps: usize) -> &mut Self {
        let colour = picture(640, 480, |_, _| [0.0; 3]);
        for seed in 0..maps {
            self.at_us += STEP_US;
            let map = depth_map(shape, seed);
            self.physical.look_depth(&map, &CAMERAS, &colour, &self.view, self.at_us).unwrap();
        }
        self
    }

    /// Frames in which nobody is found.
    fn wait(&mut self, frames: u64) -> &mut Self {
        let nobody = picture(640, 480, |_, _| [10.0; 3]);
        for _ in 0..frames {
            self.at_us += STEP_US;
            self.physical.look_infrared(&nobody, None, self.at_us, Emitter::ByItself);
        }
        self
    }

    fn verdict(&self) -> Physicality {
        self.physical.verdict()
    }
}

/// What a scene in infrared light comes to.
fn flashed(scene: &Infrared, by_day: bool) -> Physicality {
    Attempt::new().flash(scene, 24, by_day).verdict()
}

/// What a shape in a depth stream comes to.
fn measured(shape: Shape) -> Physicality {
    Attempt::new().measure(shape, 24).verdict()
}

const NOT_BY_REFLECTANCE: Physicality = Physicality::Attack(Cue::InfraredReflectance);
const NOT_BY_DEPTH: Physicality = Physicality::Attack(Cue::Depth);

#[test]
fn a_head_is_there() {
    assert_eq!(flashed(&HEAD, false), Physicality::Present);
    assert_eq!(flashed(&HEAD_BY_DAY, true), Physicality::Present);
    assert_eq!(measured(ROUND), Physicality::Present);
}

#[test]
fn prints_and_screens_are_refused_by_infrared_light() {
    for (scene, name) in [(PRINT, "print"), (SMALL_PRINT, "small"), (BENT_PRINT, "bent"), (MASK, "mask")] {
        assert_eq!(flashed(&scene, false), NOT_BY_REFLECTANCE, "{name}");
    }
    // Most displays show nothing in infrared light: no face is found, and nothing is judged.
    assert_eq!(flashed(&SCREEN, true), NOT_BY_REFLECTANCE);
    assert_eq!(Attempt::new().wait(30).verdict(), Physicality::None);
}

#[test]
fn a_print_that_absorbs_infrared_light_mirrors_nothing() {
    // No attack: lids and glasses hide what corneas mirror.
    assert_eq!(flashed(&CUT_OUT_PRINT, false), Physicality::None);
}

#[test]
fn planes_cylinders_and_screens_are_refused_by_depth() {
    let shapes = [
        (PLANE, "plane"),
        (CYLINDER, "cylinder"),
        (PLANE_WITH_NOSE, "a nose upon a plane"),
        (GLASS, "glass"),
        (STATUETTE, "statuette"),
    ];
    for (shape, name) in shapes {
        assert_eq!(measured(shape), NOT_BY_DEPTH, "{name}");
    }
    assert_eq!(measured(HOLES), Physicality::None);
}

/// A limit, and no aim: docs/liveness.md says so. A test that fails here is good news, and changes that page.
#[test]
fn what_has_a_heads_skin_eyes_or_shape_passes() {
    assert_eq!(flashed(&MASK_WITH_EYES, false), Physicality::Present);
    assert_eq!(flashed(&DARK_CUT_OUT_PRINT, false), Physicality::Present);
    assert_eq!(measured(CYLINDER_WITH_NOSE), Physicality::Present);
}

#[test]
fn infrared_light_and_depth_must_say_the_same() {
    let both = |scene: &Infrared, shape| {
        let mut attempt = Attempt::new();
        for _ in 0..12 {
            attempt.flash(scene, 2, false).measure(shape, 2);
        }
        attempt.verdict()
    };
    assert_eq!(both(&HEAD, ROUND), Physicality::Present);
    // Each finds what the other one does not.
    assert_eq!(both(&DARK_CUT_OUT_PRINT, CYLINDER), NOT_BY_DEPTH);
    assert_eq!(both(&PRINT, CYLINDER_WITH_NOSE), NOT_BY_REFLECTANCE);
    // Both were asked, and one of them cannot tell.
    assert_eq!(both(&HEAD, HOLES), Physicality::None);
}

#[test]
fn too_little_is_no_evidence() {
    assert_eq!(Physical::default().verdict(), Physicality::None);
    assert_eq!(Attempt::new().flash(&HEAD, 2 * LEAST_PAIRS - 2, false).verdict(), Physicality::None);
    assert_eq!(Attempt::new().flash(&HEAD, 2 * LEAST_PAIRS, false).verdict(), Physicality::Present);
    let fewer = LEAST_SHAPES * MAPS_FOR_SHAPE - 1;
    assert_eq!(Attempt::new().measure(ROUND, fewer).verdict(), Physicality::None);
    // A camera whose emitter is always on, or always off.
    assert_eq!(flashed(&UNLIT_HEAD, true), Physicality::None);
}

#[test]
fn a_head_that_was_there_is_not_there() {
    let mut attempt = Attempt::new();
    assert_eq!(attempt.flash(&HEAD, 16, false).verdict(), Physicality::Present);
    assert_eq!(attempt.wait(10).verdict(), Physicality::None);
}

#[test]
fn whoever_is_shown_for_another_is_found_out() {
    let mut attempt = Attempt::new();
    assert_eq!(attempt.flash(&HEAD, 30, false).verdict(), Physicality::Present);
    assert_eq!(attempt.flash(&SMALL_PRINT, 2, false).verdict(), Physicality::None);
    assert_eq!(attempt.flash(&SMALL_PRINT, 20, false).verdict(), NOT_BY_REFLECTANCE);
    assert_eq!(attempt.flash(&HEAD, 30, false).verdict(), NOT_BY_REFLECTANCE, "it is final");
}

const PATTERN: &str = "##..#.##.#..##.#.#..#.###..#.#..";
const ALTERNATING: &str = "#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.#.";

#[test]
fn a_head_follows_the_pattern_and_a_recording_does_not() {
    let commanded = |told: &str, done: &str| Attempt::new().command(&HEAD, told, done).verdict();
    assert_eq!(commanded(PATTERN, PATTERN), Physicality::Present);
    let late = format!("#{PATTERN}");
    assert_eq!(commanded(PATTERN, &late), Physicality::Present, "a frame late");
    assert_eq!(commanded(PATTERN, ALTERNATING), Physicality::Attack(Cue::InfraredResponse));
    // Reflectance alone would have been content by then.
    assert_eq!(commanded(&PATTERN[..LEAST_COMMANDED - 2], ALTERNATING), Physicality::None);
}

#[test]
fn a_pattern_with_gaps_is_none() {
    let mut attempt = Attempt::new();
    assert_eq!(attempt.command(&HEAD, PATTERN, PATTERN).verdict(), Physicality::Present);
    assert_eq!(attempt.flash(&HEAD, 16, false).verdict(), Physicality::None);
}

#[test]
fn what_is_no_number_is_no_evidence() {
    let mut attempt = Attempt::new();
    attempt.view.mesh.points.fill(Landmark { x: f32::NAN, y: f32::NAN, z: f32::NAN });
    assert_eq!(attempt.flash(&HEAD, 16, true).verdict(), Physicality::None);
    assert_eq!(attempt.measure(ROUND, 12).verdict(), Physicality::None);
}

#[test]
fn a_frame_that_is_not_newer_says_nothing() {
    let (mut attempt, pictures) = (Attempt::new(), HEAD.pictures());
    attempt.flash(&HEAD, 2, false);
    for lit in [true, false].repeat(8) {
        let image = if lit { &pictures.lit } else { &pictures.dark };
        let light = attempt.physical.look_infrared(image, Some(&view()), attempt.at_us, Emitter::ByItself);
        assert_eq!(light, Light::Unclear);
    }
    assert_eq!(attempt.verdict(), Physicality::None);
    let broken = DepthMap::new(1, 1, vec![1]).unwrap();
    let nowhere = Image::from_rgb(1, 1, vec![0; 3]).unwrap();
    attempt.physical.look_depth(&broken, &CAMERAS, &nowhere, &view(), attempt.at_us).unwrap();
    assert_eq!(attempt.flash(&HEAD, 16, false).verdict(), Physicality::None, "depth was asked, too");
}

#[test]
fn it_is_worth_waiting_for_a_while() {
    let mut attempt = Attempt::new();
    assert!(!attempt.physical.is_open(START_US), "nothing was asked");
    attempt.flash(&HEAD, 2, false);
    assert!(attempt.physical.is_open(START_US + PATIENCE_US));
    assert!(!attempt.physical.is_open(START_US + STEP_US + PATIENCE_US + 1));
    attempt.flash(&HEAD, 10, false);
    assert!(!attempt.physical.is_open(START_US), "it is answered");
}

#[test]
fn every_cue_has_a_reading() {
    let cues: Vec<Cue> = Cue::ALL.into_iter().filter(|cue| cue.is_physical()).collect();
    let none = Physical::default().readings();
    assert!(none.iter().map(|r| r.cue).eq(cues) && none.iter().all(|r| r.suspicion.is_none()));
    let mut attempt = Attempt::new();
    attempt.command(&HEAD, PATTERN, PATTERN).measure(ROUND, 12);
    let bounds = [MOST_REFLECTANCE, MOST_RESPONSE, MOST_DEPTH];
    for (reading, most) in attempt.physical.readings().iter().zip(bounds) {
        // Far from the bound, which nothing else has settled yet.
        assert!(reading.suspicion.is_some_and(|s| s.0 < 0.6 * most), "{reading:?}");
    }
}

#[test]
fn only_a_head_spares_the_challenge_and_an_attack_stays_one() {
    let demand = |physicality: Physicality, others| match physicality.joined(others) {
        Assessment::Unsuspicious(evidence) => Some(Rule::ByCamera.demand(evidence, 2)),
        Assessment::Attack(_) => None,
    };
    for evidence in [Evidence::Incomplete, Evidence::Colour] {
        let others = Assessment::Unsuspicious(evidence);
        assert_eq!(demand(flashed(&HEAD, false), others), Some(Demand::Nothing));
        assert_eq!(demand(Physicality::None, others), Some(Demand::Challenge(2)));
        assert_eq!(demand(NOT_BY_DEPTH, others), None);
    }
    for any in [Physicality::Present, Physicality::None, NOT_BY_DEPTH] {
        assert_eq!(any.joined(Assessment::Attack(Cue::Moire)), Assessment::Attack(Cue::Moire));
    }
}
