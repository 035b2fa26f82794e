//! Why an attempt is no evidence of a living person. It decides nothing; the checks do.

/// Coarse on purpose: none tells by how much a bound was missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Something else was done than asked for.
    WrongAction,
    /// The right action, begun before anyone could have read the prompt.
    TooEarly,
    /// Not done, or not in time.
    TooLate,
    /// The face never came to rest, so that nothing could be asked.
    Unsettled,
    /// The angles of the face do not belong to a solid head that turns.
    AngleInconsistent,
    SeveralFaces,
    FaceLost,
    /// Frames are missing, or their times go back.
    StreamBroken,
    /// From one frame to the next, more changed than can.
    JumpCut,
    /// Poses follow each other without the way between them.
    SlideShow,
    /// The picture stands still, even its noise.
    Frozen,
    /// Frames came again.
    Repeated,
    /// Another person, or not surely the same throughout.
    PersonChanged,
    PersonUnclear,
    /// The same footage as in an earlier attempt.
    SeenBefore,
    /// The face does not reflect the colours that the screen shows.
    NoReflection,
}

impl Failure {
    pub const ALL: [Self; 16] = [
        Self::WrongAction,
        Self::TooEarly,
        Self::TooLate,
        Self::Unsettled,
        Self::AngleInconsistent,
        Self::SeveralFaces,
        Self::FaceLost,
        Self::StreamBroken,
        Self::JumpCut,
        Self::SlideShow,
        Self::Frozen,
        Self::Repeated,
        Self::PersonChanged,
        Self::PersonUnclear,
        Self::SeenBefore,
        Self::NoReflection,
    ];

    /// The stable word, in reports and the journal.
    pub fn word(self) -> &'static str {
        match self {
            Self::WrongAction => "wrong-action",
            Self::TooEarly => "too-early",
            Self::TooLate => "too-late",
            Self::Unsettled => "unsettled",
            Self::AngleInconsistent => "angle-inconsistent",
            Self::SeveralFaces => "several-faces",
            Self::FaceLost => "face-lost",
            Self::StreamBroken => "stream-broken",
            Self::JumpCut => "jump-cut",
            Self::SlideShow => "slide-show",
            Self::Frozen => "frozen",
            Self::Repeated => "repeated",
            Self::PersonChanged => "person-changed",
            Self::PersonUnclear => "person-unclear",
            Self::SeenBefore => "seen-before",
            Self::NoReflection => "no-reflection",
        }
    }
}
