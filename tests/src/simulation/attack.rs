//! The attackers: what each brings, and what each does when something is asked. They know what an
//! attacker can know, which is never how they are detected.

mod footage;
mod injected;
mod presented;
mod props;
mod swapped;
mod worn;

use crate::simulation::medium::print::Finish;
use crate::simulation::random::Chance;
use crate::simulation::recording::Crop;
use crate::simulation::{Cast, Performance};

use footage::{Footage, Puppet, Recorded, Slides, Spliced};
use injected::Injected;
use presented::Presented;
use props::{Paper, Prop, Shown};
use swapped::Swapped;
use worn::Worn;

/// The kinds of presentation attack, and one that presents nothing but feeds pictures in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AttackKind {
    /// A photograph on paper, held up and moved as a head would move.
    MattePrint,
    GlossyPrint,
    BentPrint,
    /// The attacker's own eyes behind it.
    PrintWithEyeHoles,
    /// A clip of the victim, who does this and that.
    PhoneReplay,
    MonitorReplay,
    /// The victim's face on paper, worn.
    CutOutMask,
    /// Photographs of the victim doing what is asked.
    SlideShow,
    /// A short clip again and again.
    LoopedVideo,
    /// A clip of each action, of which the right one is chosen.
    SplicedVideo,
    /// The attacker does what is asked, and shows the victim for the rest.
    PersonSwap,
    /// The same frames again and again, in place of a camera.
    IdenticalFrames,
    /// A puppet of the victim that a computer draws, and that does what is asked.
    RenderedHead,
}

impl AttackKind {
    pub const ALL: [Self; 13] = [
        Self::MattePrint,
        Self::GlossyPrint,
        Self::BentPrint,
        Self::PrintWithEyeHoles,
        Self::PhoneReplay,
        Self::MonitorReplay,
        Self::CutOutMask,
        Self::SlideShow,
        Self::LoopedVideo,
        Self::SplicedVideo,
        Self::PersonSwap,
        Self::IdenticalFrames,
        Self::RenderedHead,
    ];

    /// The stable name, in file names and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::MattePrint => "matte-print",
            Self::GlossyPrint => "glossy-print",
            Self::BentPrint => "bent-print",
            Self::PrintWithEyeHoles => "print-with-eye-holes",
            Self::PhoneReplay => "phone-replay",
            Self::MonitorReplay => "monitor-replay",
            Self::CutOutMask => "cut-out-mask",
            Self::SlideShow => "slide-show",
            Self::LoopedVideo => "looped-video",
            Self::SplicedVideo => "spliced-video",
            Self::PersonSwap => "person-swap",
            Self::IdenticalFrames => "identical-frames",
            Self::RenderedHead => "rendered-head",
        }
    }
}

/// Seconds of the victim that an attacker who replays has, and of a clip that is looped.
const CLIP_S: f32 = 20.0;
const LOOP_S: [f32; 2] = [3.0, 5.0];

/// An attack, ready to begin.
pub fn staged<'a>(kind: AttackKind, cast: Cast<'a>, seed: u64) -> Box<dyn Performance + 'a> {
    let anything = |crop| Recorded::of_anything(cast.victim, CLIP_S, crop, seed);
    let sheet = |finish| Paper::new(cast, finish, seed);
    match kind {
        AttackKind::MattePrint => Box::new(Presented::paper(cast, sheet(Finish::Matte), seed)),
        AttackKind::GlossyPrint => Box::new(Presented::paper(cast, sheet(Finish::Glossy), seed)),
        AttackKind::BentPrint => {
            let finish = Chance::new(seed, "bent finish").pick([Finish::Matte, Finish::Glossy]);
            Box::new(Presented::paper(cast, sheet(finish).bent(seed), seed))
        }
        AttackKind::PrintWithEyeHoles => Box::new(Worn::print_with_eye_holes(cast, seed)),
        AttackKind::CutOutMask => Box::new(Worn::mask(cast, seed)),
        AttackKind::PhoneReplay => on_phone(cast, anything(Crop::Portrait), seed),
        AttackKind::MonitorReplay => on_monitor(cast, anything(Crop::Landscape), seed),
        AttackKind::SlideShow => on_monitor(cast, Slides::new(cast.victim, Crop::Landscape, seed), seed),
        AttackKind::LoopedVideo => looped(cast, seed),
        AttackKind::SplicedVideo => on_monitor(cast, Spliced::new(cast.victim, Crop::Landscape, seed), seed),
        AttackKind::PersonSwap => swapped(cast, seed),
        AttackKind::IdenticalFrames => Box::new(Injected::new(cast.victim, seed)),
        AttackKind::RenderedHead => on_monitor(cast, Puppet::new(cast.victim, seed), seed),
    }
}

fn on_phone<'a>(cast: Cast<'a>, footage: impl Footage + 'a, seed: u64) -> Box<dyn Performance + 'a> {
    Box::new(Presented::phone(cast, Shown::on_phone(cast, Box::new(footage), seed), seed))
}

fn on_monitor<'a>(cast: Cast<'a>, footage: impl Footage + 'a, seed: u64) -> Box<dyn Performance + 'a> {
    Box::new(Presented::monitor(cast, Shown::on_monitor(cast, Box::new(footage), seed), seed))
}

/// On whichever screen is at hand.
fn looped<'a>(cast: Cast<'a>, seed: u64) -> Box<dyn Performance + 'a> {
    let mut chance = Chance::new(seed, "loop");
    let lasts_s = chance.between(LOOP_S[0], LOOP_S[1]);
    let clip = |crop| Recorded::of_anything(cast.victim, lasts_s, crop, seed);
    if chance.happens(0.5) {
        on_phone(cast, clip(Crop::Portrait), seed)
    } else {
        on_monitor(cast, clip(Crop::Landscape), seed)
    }
}

/// With whatever is quickly put before a face.
fn swapped<'a>(cast: Cast<'a>, seed: u64) -> Box<dyn Performance + 'a> {
    let paper = Chance::new(seed, "swap").happens(0.5);
    let prop: Box<dyn Prop + 'a> = if paper {
        Box::new(Paper::new(cast, Finish::Matte, seed))
    } else {
        let footage = Recorded::of_anything(cast.victim, CLIP_S, Crop::Portrait, seed);
        Box::new(Shown::on_phone(cast, Box::new(footage), seed))
    };
    Box::new(Swapped::new(cast.attacker, prop, seed))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::simulation::Prompted;
    use crate::simulation::testing::sitters;
    use crate::sitter::{HEIGHT, WIDTH};
    use crate::video::Picture;
    use vultus_vision::liveness::Action;

    fn played(kind: AttackKind, seed: u64) -> Vec<Picture> {
        let [victim, attacker, ..] = sitters();
        let mut attack = staged(kind, Cast { victim, attacker }, seed);
        let prompt = |at_s: f32| (at_s > 0.2).then_some(Prompted { action: Action::Nod, since_s: 0.2 });
        [0.0, 0.033, 0.9].map(|at_s| attack.frame(at_s, prompt(at_s))).into()
    }

    #[test]
    fn names_are_distinct_and_of_one_kind() {
        let names: BTreeSet<&str> = AttackKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), AttackKind::ALL.len());
        assert!(names.iter().all(|n| n.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
    }

    #[test]
    fn each_attack_is_decided_by_its_seed_and_has_the_size_of_a_camera() {
        for kind in AttackKind::ALL {
            let (once, again) = (played(kind, 11), played(kind, 11));
            assert!(once == again, "{}", kind.name());
            let sizes = once.iter().map(|p| (p.width, p.height, p.rgb.len()));
            let size = (WIDTH, HEIGHT, (3 * WIDTH * HEIGHT) as usize);
            assert!(sizes.into_iter().all(|s| s == size), "{}", kind.name());
        }
    }

    #[test]
    fn only_what_is_injected_repeats_itself() {
        for kind in AttackKind::ALL {
            let frames = played(kind, 12);
            let still = frames[0] == frames[1] || frames[1] == frames[2];
            assert!(!still || kind == AttackKind::IdenticalFrames, "{}", kind.name());
        }
    }
}
