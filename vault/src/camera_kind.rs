//! What an administrator states of single cameras in `vault.toml`, and what a camera counts as by it. It looks at
//! no picture: whether a statement is true, the pictures show.
//!
//! A camera of grey formats may see infrared light, or daylight in grey: its formats do not tell, and what it says
//! of itself is no evidence. So none counts as infrared unless it is stated.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use vultus_ipc::camera::Spectrum;
use vultus_ipc::vault::CAMERA_ID_LENGTH;

/// The table `camera_kinds` of `vault.toml`: by a camera's identity, as `vultus cameras` lists it.
///
/// ```toml
/// [camera_kinds."usb:1-8:04f2:b6dd:0001:2"]
/// infrared = true
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct CameraKinds(#[serde(deserialize_with = "stated")] BTreeMap<String, Stated>);

/// What is stated of one camera. Nothing, where it is left out.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Stated {
    /// It sees infrared light alone, and has an emitter that lights every other frame or so. Whoever it shows must
    /// throw that light back as a head does: anything else that does is an attack.
    infrared: bool,
}

/// What a camera counts as.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraKind {
    /// Daylight, or nobody said otherwise.
    Ordinary,
    Infrared,
}

impl CameraKinds {
    /// Of a paired camera. One that shows colours sees more than infrared light, whatever is stated.
    pub fn kind(&self, camera: &str, spectrum: Spectrum) -> CameraKind {
        match (self.0.get(camera), spectrum) {
            (Some(Stated { infrared: true }), Spectrum::Grey) => CameraKind::Infrared,
            (_, Spectrum::Grey | Spectrum::Colour) => CameraKind::Ordinary,
        }
    }
}

/// Statements about what can be the identity of a camera: a name that none can have would be no statement.
fn stated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Stated>, D::Error> {
    let told = BTreeMap::<String, Stated>::deserialize(deserializer)?;
    let can_be = |id: &str| (1..=CAMERA_ID_LENGTH).contains(&id.len()) && !id.chars().any(char::is_control);
    let wrong = told.keys().find(|id| !can_be(id.as_str())).cloned();
    let why = |id: String| format!("camera_kinds: {id:?} is no camera's identity");
    wrong.map_or(Ok(told), |id| Err(<D::Error as serde::de::Error>::custom(why(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration of nothing else.
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        camera_kinds: CameraKinds,
    }

    fn kind(text: &str, spectrum: Spectrum) -> CameraKind {
        toml::from_str::<File>(text).unwrap().camera_kinds.kind("usb-1:1.2", spectrum)
    }

    #[test]
    fn grey_alone_is_not_infrared() {
        for text in [
            "",
            "[camera_kinds]",
            "[camera_kinds.'usb-1:1.2']",
            "[camera_kinds.'usb-1:1.2']\ninfrared = false",
            "[camera_kinds.'usb-1:1.0']\ninfrared = true",
            "[camera_kinds.'usb-1:1.2 ']\ninfrared = true",
        ] {
            assert_eq!(kind(text, Spectrum::Grey), CameraKind::Ordinary, "{text}");
        }
    }

    #[test]
    fn a_grey_camera_that_is_stated_is_infrared_and_one_of_colours_is_not() {
        let text = "[camera_kinds.'usb-1:1.2']\ninfrared = true";
        assert_eq!(kind(text, Spectrum::Grey), CameraKind::Infrared);
        assert_eq!(kind(text, Spectrum::Colour), CameraKind::Ordinary);
    }

    #[test]
    fn nothing_that_is_written_wrong_is_a_statement() {
        let long = format!("[camera_kinds.'{}']", "x".repeat(CAMERA_ID_LENGTH + 1));
        for wrong in [
            "[camera_kinds.'usb-1:1.2']\ninfra_red = true",
            "[camera_kinds.'usb-1:1.2']\ninfrared = 'yes'",
            "[camera_kinds]\n'usb-1:1.2' = true",
            "[camera_kinds.'']\ninfrared = true",
            "[camera_kinds.\"usb\\n\"]\ninfrared = true",
            "[camera_kind.'usb-1:1.2']\ninfrared = true",
            long.as_str(),
        ] {
            assert!(toml::from_str::<File>(wrong).is_err(), "{wrong}");
        }
    }
}
