//! Controls on real material (`real_people`): five photographs and a clip of real people, which no cue and no check
//! of continuity may call an attack, and which simulated people must resemble. What they say of a cue is printed,
//! and nothing of who they are.

use std::sync::LazyLock;

use vultus_tests::films;
use vultus_tests::pictures::{self, Photograph};
use vultus_tests::real_people::{self, PICTURES, Shown, flow, real};
use vultus_tests::simulation::{self, AttackKind, Cast, Prompted};
use vultus_tests::video::Picture;
use vultus_vault::matching::THRESHOLD_PERMILLE;
use vultus_vision::liveness::continuity::{Continuity, Flow, Sameness};
use vultus_vision::liveness::decision::{self, Assessment};
use vultus_vision::liveness::network::LivenessNetwork;
use vultus_vision::liveness::{Action, Cue, Cues, Failure, Glimpse, Suspicion};
use vultus_vision::{Embedding, FaceView, Image, Models, Observer, manifest};

/// The cues of a colour camera.
const CUES: [Cue; 6] = [Cue::Moire, Cue::Surround, Cue::Gamut, Cue::Specular, Cue::Focus, Cue::MotionInDepth];
/// So far below the least and above the most of real people may a simulated one lie, in the distance of these
/// two: real ones are few, and only the man of the clip moves.
const SPANS: f32 = 0.5;

static OBSERVER: LazyLock<Observer> = LazyLock::new(|| films::observer().expect("the models"));
static CLIP: LazyLock<Vec<Glimpse>> = LazyLock::new(|| {
    let glimpses = real_people::glimpses(&OBSERVER).expect("the clip, and ffmpeg: cargo xtask models");
    assert_eq!(glimpses.len(), PICTURES);
    glimpses
});

fn image(picture: &Picture) -> Image {
    pictures::image(picture).expect("a picture")
}

fn photograph(which: Photograph) -> Image {
    image(&pictures::photograph(which).expect("a photograph"))
}

fn view(image: &Image) -> FaceView {
    real_people::view(&OBSERVER, image).expect("a face")
}

/// Three simulated people who shake their heads: four seconds, ten frames each.
fn simulated() -> Vec<Shown> {
    let people = [Photograph::FirstOfA, Photograph::PersonB, Photograph::PersonC];
    let shown = |(which, seed): (Photograph, u64)| {
        let sitter = films::sitter(&OBSERVER, which).expect("a face in the photograph");
        let mut person = simulation::bona_fide(&sitter, seed);
        let prompt = Some(Prompted { action: Action::Shake, since_s: 0.0 });
        let glimpse = |i: u64| {
            let image = image(&person.frame(i as f32 / 10.0, prompt));
            let cues = if i.is_multiple_of(8) { Cues::Asked } else { Cues::Spared };
            Glimpse::of(&image, &view(&image), i * 100_000, cues)
        };
        Shown::of(&format!("simulated {}", which.file()), (0..40).map(glimpse))
    };
    people.into_iter().zip(0..).map(shown).collect()
}

fn print(all: &[Shown]) {
    let line = |name: &str, fields: [String; 6]| {
        println!("{name:<24}{}", fields.map(|field| format!("{field:>16}")).concat());
    };
    line("", CUES.map(|cue| cue.word().to_owned()));
    for shown in all {
        let figure = |cue| shown.said(cue).map_or("-".to_owned(), |said| format!("{said:.3}"));
        line(&shown.name, CUES.map(figure));
    }
}

#[test]
fn real_people_are_no_attack_by_the_products_bounds() {
    let real = real(&OBSERVER).expect("pictures");
    print(&real);
    for cue in CUES {
        let ran = real.iter().filter(|shown| shown.said(cue).is_some()).count();
        assert!(ran >= 2, "{} ran on {ran}", cue.word());
    }
    for shown in &real {
        let assessment = decision::assess(&shown.readings);
        assert!(matches!(assessment, Assessment::Unsuspicious(_)), "{}: {assessment:?}", shown.name);
    }
}

#[test]
fn simulated_people_lie_where_real_ones_do() {
    let (real, simulated) = (real(&OBSERVER).expect("pictures"), simulated());
    print(&simulated);
    for cue in CUES {
        let figures = real.iter().filter_map(|shown| shown.said(cue));
        let (least, most) = figures.fold((f32::MAX, f32::MIN), |(l, m), f| (l.min(f), m.max(f)));
        let room = SPANS * (most - least);
        assert!(simulated.iter().any(|shown| shown.said(cue).is_some()), "{} never ran", cue.word());
        for shown in &simulated {
            let within = |figure: f32| (least - room..=most + room).contains(&figure);
            let told = format!("{}, {}: {:?}", shown.name, cue.word(), shown.said(cue));
            assert!(shown.said(cue).is_none_or(within), "{told}, real ones {least} to {most}");
        }
    }
}

#[test]
fn a_real_clip_is_unbroken_at_30_15_and_10_frames_a_second() {
    for apart in [1, 2, 3] {
        assert_eq!(flow(CLIP.iter().step_by(apart), apart as u64), Flow::Unbroken, "{apart}");
    }
}

#[test]
fn the_same_clip_frozen_repeated_or_in_slides_is_broken() {
    fn shown(order: impl Iterator<Item = usize>) -> Flow {
        flow(order.map(|i| &CLIP[i]), 1)
    }
    assert_eq!(shown(std::iter::repeat_n(0, 40)), Flow::Broken(Failure::Frozen));
    // There and back, so that nothing jumps.
    assert_eq!(shown((0..60).chain((0..60).rev())), Flow::Broken(Failure::Repeated));
    // Poses that a head gets to, but not without the way between.
    let slides = [42, 60, 96].into_iter().flat_map(|i| std::iter::repeat_n(i, 10));
    assert_eq!(shown(slides), Flow::Broken(Failure::SlideShow));
}

fn embedding(image: &Image) -> Embedding {
    OBSERVER.embed(image, &view(image)).expect("a network that runs").expect("an embedding")
}

#[test]
fn a_real_clip_is_of_one_person_and_the_next_photograph_is_not() {
    let man: Vec<Embedding> =
        real_people::clip().expect("the clip").iter().step_by(12).map(embedding).collect();
    let compared = |other: &Embedding| {
        let agrees = man[0].cosine(other) >= THRESHOLD_PERMILLE as f32 / 1000.0;
        if agrees { Sameness::Same } else { Sameness::Different }
    };
    let mut continuity = Continuity::default();
    for other in &man[1..] {
        assert_eq!(continuity.identity(compared(other)), Flow::Unbroken);
    }
    assert_eq!(continuity.finish(2), Flow::Unbroken);
    let changed = [Photograph::FirstOfA, Photograph::PersonB].map(|which| {
        let stranger = embedding(&photograph(which));
        continuity.identity(compared(&stranger))
    });
    assert_eq!(changed, [Flow::Unbroken, Flow::Broken(Failure::PersonChanged)]);
}

/// The network that the manifest describes: the way from a photograph to its figure, and no word of what that
/// is worth.
#[test]
fn the_network_gives_photographs_a_figure_and_a_threshold_parts_them() {
    let models = Models::read(&pictures::models()).expect("the models");
    assert!(matches!(LivenessNetwork::enabled(&models), Ok(None)), "it is off");
    let record = manifest::records().expect("a manifest").into_iter().find(|r| r.liveness.is_some());
    let name = record.expect("a liveness network").name;
    let network = LivenessNetwork::named(&pictures::models(), &name).expect("the network");
    let said = |image: &Image| {
        let view = view(image);
        let suspicion = network.measure(image, &view).expect("a figure");
        assert!((0.0..=1.0).contains(&suspicion.0), "{suspicion:?}");
        assert_eq!(network.measure(image, &view).expect("a figure"), suspicion, "the same picture");
        suspicion
    };
    let people = [Photograph::FirstOfA, Photograph::PersonC];
    let photographs = people.map(|which| said(&photograph(which)));
    let [one, other] = people.map(|which| films::sitter(&OBSERVER, which).expect("a face"));
    let prints = [Cast { victim: &one, attacker: &other }, Cast { victim: &other, attacker: &one }]
        .map(|cast| simulation::attack(AttackKind::MattePrint, cast, 1).frame(0.5, None))
        .map(|print| said(&image(&print)));
    println!("{name}: {photographs:?}, simulated prints of them: {prints:?}");
    assert!(photographs[0] != photographs[1]);
    assert!(photographs[0] != prints[0] && photographs[1] != prints[1]);
    // Halfway, one is an attack and the other is not; beyond both, neither; before both, both.
    let (least, most) = (photographs[0].0.min(photographs[1].0), photographs[0].0.max(photographs[1].0));
    let attacks = |bound: f32| photographs.iter().filter(|s| **s > Suspicion(bound)).count();
    assert_eq!([(least + most) / 2.0, most, least / 2.0].map(attacks), [1, 0, 2]);
}
