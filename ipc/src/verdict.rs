//! The words in which a judgement crosses a boundary: verdicts deny by default, reasons are coarse.
//!
//! Threat model: M4.

use minicbor::{CborLen, Decode, Encode};

/// What came of an attempt to verify a person.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum Verdict {
    /// Judged, and not this person.
    #[n(0)]
    Refused,
    /// Judged, and this person.
    #[n(1)]
    Accepted,
    /// Not judged: too many failures. Try again in so many seconds, or use the password.
    #[n(2)]
    LockedOut {
        #[n(0)]
        seconds: u32,
    },
    /// Not judged, for this reason.
    #[n(3)]
    NotJudged(#[n(0)] Reason),
}

/// Why there was no judgement, or why a request was refused. Coarse on purpose: none of them tells
/// how near a face came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen, thiserror::Error)]
#[cbor(index_only)]
pub enum Reason {
    #[n(0)]
    #[error("something failed inside; see the journal")]
    Internal,
    #[n(1)]
    #[error("no usable face was seen in time")]
    NoFace,
    #[n(2)]
    #[error("no face is enrolled")]
    NotEnrolled,
    #[n(3)]
    #[error("the attempt was cancelled")]
    Cancelled,
    #[n(4)]
    #[error("another attempt is running")]
    Busy,
    #[n(5)]
    #[error("no camera answers")]
    CameraAbsent,
    #[n(6)]
    #[error("the camera is in use by another program")]
    CameraBusy,
    #[n(7)]
    #[error("the camera stopped in mid-attempt")]
    CameraGone,
    #[n(8)]
    #[error("the camera is not paired; root pairs it with `vultus cameras pair`")]
    CameraUnpaired,
    #[n(9)]
    #[error("a frame could not be trusted")]
    FrameRejected,
    #[n(10)]
    #[error("the face was enrolled with another camera")]
    OtherCamera,
    #[n(11)]
    #[error("no TPM answers")]
    TpmAbsent,
    #[n(12)]
    #[error("this is not the TPM that sealed the faces, or it was reset")]
    TpmForeign,
    #[n(13)]
    #[error("the TPM's policy does not release the key: the measured boot state changed")]
    TpmPolicy,
    #[n(14)]
    #[error("stored state was altered")]
    StateTampered,
    #[n(15)]
    #[error("stored state cannot be read or written")]
    StateUnavailable,
    #[n(16)]
    #[error("the caller may not ask this")]
    NotAllowed,
    #[n(17)]
    #[error("a fresh password is needed first")]
    PasswordNeeded,
    #[n(18)]
    #[error("the request comes from a remote session")]
    RemoteSession,
    #[n(19)]
    #[error("this service needs the person's intent, which cannot be asked yet")]
    IntentNeeded,
    #[n(20)]
    #[error("no such face is enrolled")]
    NoSuchFace,
    #[n(21)]
    #[error("the limit of faces for one user is reached")]
    TooManyFaces,
    #[n(22)]
    #[error("a field of the request is out of bounds")]
    BadRequest,
    #[n(23)]
    #[error("the session record of the login could not be checked")]
    SessionUnknown,
    #[n(24)]
    #[error("no such server is pinned; root pins it with `vultus device pin`")]
    ServerUnknown,
    #[n(25)]
    #[error("the packet is malformed, or its signature does not verify")]
    PacketRejected,
    #[n(26)]
    #[error("the packet was signed by a key that is not pinned")]
    UnpinnedKey,
    #[n(27)]
    #[error("the packet's window has passed, or a clock is wrong")]
    PacketExpired,
    #[n(28)]
    #[error("the packet is meant for another device, server, account or ceremony")]
    PacketMisdirected,
    #[n(29)]
    #[error("no such account is registered on this device")]
    NotRegistered,
    #[n(30)]
    #[error("the face was enrolled anew since the registration; register again")]
    FaceChanged,
    #[n(31)]
    #[error("the server asks for more than this device can check")]
    PolicyUnmet,
    #[n(32)]
    #[error("the transaction was not confirmed")]
    NotConfirmed,
    #[n(33)]
    #[error("the device is not enrolled with this server")]
    DeviceNotEnrolled,
    #[n(34)]
    #[error("the TPM has no endorsement certificate of a known kind")]
    NoEndorsement,
    #[n(35)]
    #[error("the limit of accounts or keys for one user is reached")]
    TooManyKeys,
}

/// What to tell the person in front of the camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
pub enum Guidance {
    #[n(0)]
    NoFace,
    #[n(1)]
    OneFaceOnly,
    #[n(2)]
    MoveCloser,
    #[n(3)]
    MoveBack,
    #[n(4)]
    TooDark,
    #[n(5)]
    TooBright,
    #[n(6)]
    HoldStill,
    #[n(7)]
    LookAtCamera,
    #[n(8)]
    UncoverFace,
    #[n(9)]
    TurnLeft,
    #[n(10)]
    TurnRight,
    #[n(11)]
    LookUp,
    #[n(12)]
    LookDown,
    /// During enrolment: so many good shots of so many.
    #[n(13)]
    Captured {
        #[n(0)]
        have: u8,
        #[n(1)]
        need: u8,
    },
    /// What the person is to do now, to show that she is there.
    #[n(14)]
    NodNow,
    #[n(15)]
    ShakeNow,
    #[n(16)]
    BlinkNow,
    #[n(17)]
    OpenMouthNow,
    #[n(18)]
    TurnLeftNow,
    #[n(19)]
    TurnRightNow,
    /// Why the attempt is no evidence of a living person.
    #[n(20)]
    WrongAction,
    #[n(21)]
    TooEarly,
    #[n(22)]
    TooLate,
    #[n(23)]
    NotContinuous,
    #[n(24)]
    PersonChanged,
    #[n(25)]
    ShownBefore,
    #[n(26)]
    NotLive,
    /// What a screen at hand is to show, all over, until another of these comes. Nobody else is told.
    #[n(27)]
    ScreenRed,
    #[n(28)]
    ScreenYellow,
    #[n(29)]
    ScreenGreen,
    #[n(30)]
    ScreenCyan,
    #[n(31)]
    ScreenBlue,
    #[n(32)]
    ScreenMagenta,
    /// The colours are over.
    #[n(33)]
    ScreenOff,
}

impl Guidance {
    /// Every guidance that names a colour.
    pub const COLOURS: [Self; 6] = [
        Self::ScreenRed,
        Self::ScreenYellow,
        Self::ScreenGreen,
        Self::ScreenCyan,
        Self::ScreenBlue,
        Self::ScreenMagenta,
    ];

    /// What the screen is to show, in red, green and blue; nothing where no colour is asked for.
    pub fn colour(self) -> Option<[u8; 3]> {
        match self {
            Self::ScreenRed => Some([255, 0, 0]),
            Self::ScreenYellow => Some([255, 255, 0]),
            Self::ScreenGreen => Some([0, 255, 0]),
            Self::ScreenCyan => Some([0, 255, 255]),
            Self::ScreenBlue => Some([0, 0, 255]),
            Self::ScreenMagenta => Some([255, 0, 255]),
            _ => None,
        }
    }

    /// Whether it speaks to a screen: whoever has none leaves it out.
    pub fn is_for_screen(self) -> bool {
        self == Self::ScreenOff || self.colour().is_some()
    }

    /// The stable word of this guidance on D-Bus.
    pub fn word(self) -> &'static str {
        match self {
            Self::NoFace => "no-face",
            Self::OneFaceOnly => "one-face-only",
            Self::MoveCloser => "move-closer",
            Self::MoveBack => "move-back",
            Self::TooDark => "too-dark",
            Self::TooBright => "too-bright",
            Self::HoldStill => "hold-still",
            Self::LookAtCamera => "look-at-camera",
            Self::UncoverFace => "uncover-face",
            Self::TurnLeft => "turn-left",
            Self::TurnRight => "turn-right",
            Self::LookUp => "look-up",
            Self::LookDown => "look-down",
            Self::Captured { .. } => "captured",
            Self::NodNow => "nod-now",
            Self::ShakeNow => "shake-now",
            Self::BlinkNow => "blink-now",
            Self::OpenMouthNow => "open-mouth-now",
            Self::TurnLeftNow => "turn-left-now",
            Self::TurnRightNow => "turn-right-now",
            Self::WrongAction => "wrong-action",
            Self::TooEarly => "too-early",
            Self::TooLate => "too-late",
            Self::NotContinuous => "not-continuous",
            Self::PersonChanged => "person-changed",
            Self::ShownBefore => "shown-before",
            Self::NotLive => "not-live",
            Self::ScreenRed => "screen-red",
            Self::ScreenYellow => "screen-yellow",
            Self::ScreenGreen => "screen-green",
            Self::ScreenCyan => "screen-cyan",
            Self::ScreenBlue => "screen-blue",
            Self::ScreenMagenta => "screen-magenta",
            Self::ScreenOff => "screen-off",
        }
    }

    /// A sentence for the person.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NoFace => "Look at the camera.",
            Self::OneFaceOnly => "Only one face, please.",
            Self::MoveCloser => "Move closer.",
            Self::MoveBack => "Move back a little.",
            Self::TooDark => "It is too dark.",
            Self::TooBright => "It is too bright.",
            Self::HoldStill => "Hold still.",
            Self::LookAtCamera => "Look straight at the camera.",
            Self::UncoverFace => "Uncover your face.",
            Self::TurnLeft => "Turn your head a little to your left.",
            Self::TurnRight => "Turn your head a little to your right.",
            Self::LookUp => "Look up a little.",
            Self::LookDown => "Look down a little.",
            Self::Captured { .. } => "Captured.",
            Self::NodNow => "Nod.",
            Self::ShakeNow => "Shake your head.",
            Self::BlinkNow => "Blink.",
            Self::OpenMouthNow => "Open your mouth wide, and close it.",
            Self::TurnLeftNow => "Turn your head to your left, and back.",
            Self::TurnRightNow => "Turn your head to your right, and back.",
            Self::WrongAction => "That was something else than asked for.",
            Self::TooEarly => "That began before it was asked for.",
            Self::TooLate => "That took too long.",
            Self::NotContinuous => "The picture was not continuous.",
            Self::PersonChanged => "The person changed.",
            Self::ShownBefore => "This was shown before.",
            Self::NotLive => "It does not look like a living face.",
            Self::ScreenRed
            | Self::ScreenYellow
            | Self::ScreenGreen
            | Self::ScreenCyan
            | Self::ScreenBlue
            | Self::ScreenMagenta => "Keep looking at the screen.",
            Self::ScreenOff => "The screen may go back to what it was.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_is_saturated_and_one_of_its_kind() {
        for (place, guidance) in Guidance::COLOURS.into_iter().enumerate() {
            let rgb = guidance.colour().unwrap();
            assert!(rgb.contains(&0) && rgb.contains(&255), "{guidance:?} is {rgb:?}");
            assert!(rgb.iter().all(|part| matches!(part, 0 | 255)), "{guidance:?} is {rgb:?}");
            for other in &Guidance::COLOURS[place + 1..] {
                assert_ne!(Some(rgb), other.colour(), "{guidance:?} and {other:?}");
                assert_ne!(guidance.word(), other.word());
            }
        }
    }

    #[test]
    fn only_colours_and_their_end_are_for_a_screen() {
        assert!(Guidance::COLOURS.into_iter().all(Guidance::is_for_screen));
        assert!(Guidance::ScreenOff.is_for_screen() && Guidance::ScreenOff.colour().is_none());
        for other in [Guidance::NoFace, Guidance::NodNow, Guidance::NotLive] {
            assert!(!other.is_for_screen() && other.colour().is_none(), "{other:?}");
        }
        let captured = Guidance::Captured { have: 1, need: 5 };
        assert!(!captured.is_for_screen());
    }
}
