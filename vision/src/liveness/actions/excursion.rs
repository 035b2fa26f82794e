//! When one measure of a course left its rest, how far, and when it was back. It names no action.

use super::bearing::{Course, Moment};

/// A measure on one side of its rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Excursion {
    /// 1 or -1.
    pub side: f32,
    /// The furthest from the rest, without its sign.
    pub peak: f32,
    pub began_us: u64,
    /// None while it lasts.
    pub ended_us: Option<u64>,
}

/// Two bounds, so that noise at one of them makes no two out of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Beyond this, an excursion has begun; within, it is over.
    pub release: f32,
    /// What does not get here is none.
    pub reach: f32,
}

impl Excursion {
    fn begin(x: f32, at_us: u64, release: f32) -> Option<Self> {
        let begun = Self { side: x.signum(), peak: x.abs(), began_us: at_us, ended_us: None };
        (x.abs() > release).then_some(begun)
    }

    /// The moments from its beginning to its end.
    pub fn moments<'a>(&self, course: &'a Course) -> impl Iterator<Item = &'a Moment> + use<'a> {
        let (began_us, ended_us) = (self.began_us, self.ended_us.unwrap_or(u64::MAX));
        course.moments.iter().filter(move |moment| (began_us..=ended_us).contains(&moment.at_us))
    }

    /// The furthest that another measure went meanwhile.
    pub fn most(&self, course: &Course, of: fn(&Moment) -> f32) -> f32 {
        self.moments(course).map(|moment| of(moment).abs()).fold(0.0, f32::max)
    }
}

/// All that got as far as `bounds.reach`, oldest first. The last may still last.
pub(super) fn excursions(course: &Course, of: fn(&Moment) -> f32, bounds: Bounds) -> Vec<Excursion> {
    let mut found = Vec::new();
    let mut current: Option<Excursion> = None;
    for moment in &course.moments {
        let x = of(moment);
        current = match current {
            Some(e) if x * e.side > bounds.release => Some(Excursion { peak: e.peak.max(x.abs()), ..e }),
            Some(e) => {
                found.push(Excursion { ended_us: Some(moment.at_us), ..e });
                Excursion::begin(x, moment.at_us, bounds.release)
            }
            None => Excursion::begin(x, moment.at_us, bounds.release),
        };
    }
    found.extend(current);
    found.retain(|e| e.peak >= bounds.reach);
    found
}
