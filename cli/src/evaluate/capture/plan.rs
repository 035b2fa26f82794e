//! What is recorded, in which order, and how each attack is made: texts for a person. It records nothing.

use crate::evaluate::liveness::BONA_FIDE;

/// What must be agreed to. FOLDER stands for where the recordings go.
pub const CONSENT: &str = "\
This records your face, and attacks with pictures of it, to measure how well liveness detection tells them
apart.

- The recordings stay in FOLDER,
  which nobody but you and root can read. Nothing is uploaded. Delete the folder to delete them. One recording
  takes some 400 MB.
- Record yourself, or adults who have been told all of this and agree. Attack with your own pictures only, or
  with those of somebody who agreed to just that.
- A print or a video of your face opens what trusts your face. Destroy prints and masks when you are done, and
  delete pictures that you took for this from your telephone.
- Nothing here flashes, and no attack needs glue, heat or anything in your eyes. Stop whenever you like: q, or
  Ctrl-C.";

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub kind: String,
    pub title: &'static str,
    /// What to do before and during it.
    pub how: &'static str,
}

/// Bona fide sessions and attacks, each with its kind.
const SESSIONS: [(&str, &str, &str); 14] = [
    (
        BONA_FIDE,
        "You, as you usually sit",
        "Look at the camera. Do what you are asked as soon as you read it.",
    ),
    (
        BONA_FIDE,
        "You, in other light",
        "Turn a lamp on or off, or draw the curtain, so that the light comes from one side.",
    ),
    (
        BONA_FIDE,
        "You, looking different",
        "With glasses on if you have none on, or off; or another hair style, a cap, a scarf about your neck.",
    ),
    (BONA_FIDE, "You, further away", "Sit a step back, with something else behind you."),
    (
        MATTE_PRINT,
        "A print of your face",
        "Hold a sharp photograph on plain paper, as large as your face, before yours.",
    ),
    (
        MATTE_PRINT,
        "A print of your face, moved",
        "The same. When you are asked for something, tilt, turn and shake the print so as to do it.",
    ),
    (GLOSSY_PRINT, "A glossy print", "The same with a photograph on photo paper, or behind clear foil."),
    (
        BENT_PRINT,
        "A bent print",
        "Bend the print around a bottle or around your face, and bend it further when you are asked for \
         something.",
    ),
    (
        EYE_HOLES,
        "A print with holes",
        "Cut out the eyes, and the mouth if you like, before you hold it; look through and move behind it. \
         Cut on a table, never before your face.",
    ),
    (
        PHONE_REPLAY,
        "A video on a telephone",
        "Film yourself while you nod, shake your head, turn and open your mouth. Play it, bright, before \
         the camera.",
    ),
    (
        TABLET_REPLAY,
        "A video on a tablet",
        "The same on a larger screen, near enough that its edges are outside of the picture.",
    ),
    (
        MONITOR_REPLAY,
        "A video on a monitor",
        "The same on a second monitor that stands before the camera. Start the part that fits what is asked.",
    ),
    (
        PAPER_MASK,
        "A paper mask",
        "Cut out a print along the face, and wear it with a string. Keep mouth and nose free to breathe \
         behind it.",
    ),
    (
        SLIDE_SHOW,
        "Slides",
        "Show photographs of yourself one after the other on a screen: straight, turned, mouth open, as is \
         asked.",
    ),
];

const MATTE_PRINT: &str = "matte-print";
const GLOSSY_PRINT: &str = "glossy-print";
const BENT_PRINT: &str = "bent-print";
const EYE_HOLES: &str = "print-with-eye-holes";
const PHONE_REPLAY: &str = "phone-replay";
const TABLET_REPLAY: &str = "tablet-replay";
const MONITOR_REPLAY: &str = "monitor-replay";
const PAPER_MASK: &str = "cut-out-mask";
const SLIDE_SHOW: &str = "slide-show";

/// Of a kind that is not explained here.
const OWN: (&str, &str) = ("An attack of your own", "Make it as you have planned, and harm nobody by it.");
/// So many recordings of it are offered.
const OWN_SESSIONS: usize = 3;

/// Everything, bona fide sessions first.
pub fn all() -> Vec<Session> {
    SESSIONS.iter().map(|&(kind, title, how)| Session { kind: kind.to_owned(), title, how }).collect()
}

/// What there is of one kind. One that is not known is an attack of the person's own.
pub fn of_kind(kind: &str) -> Vec<Session> {
    let known: Vec<Session> = all().into_iter().filter(|session| session.kind == kind).collect();
    if !known.is_empty() {
        return known;
    }
    let (title, how) = OWN;
    vec![Session { kind: kind.to_owned(), title, how }; OWN_SESSIONS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bona_fide_sessions_come_first_and_there_are_several() {
        let all = all();
        let bona_fide = all.iter().take_while(|session| session.kind == BONA_FIDE).count();
        assert!(bona_fide >= 3 && all.iter().skip(bona_fide).all(|session| session.kind != BONA_FIDE));
    }

    #[test]
    fn kinds_are_names_of_folders() {
        assert!(all().iter().all(|session| super::super::is_name(&session.kind)));
    }

    #[test]
    fn one_kind_is_one_kind() {
        assert!(of_kind(MATTE_PRINT).iter().all(|session| session.kind == MATTE_PRINT));
        let own = of_kind("wax-head");
        assert_eq!((own.len(), own[0].kind.as_str(), own[0].title), (OWN_SESSIONS, "wax-head", OWN.0));
    }
}
