//! Writes a performance to disk, for anyone to look at: a video, and beside it what was asked when. It
//! asks nothing that is not in the script.

use std::io;
use std::path::Path;

use serde_json::json;
use vultus_vision::liveness::Action;

use crate::simulation::{Performance, Prompted, RATE};
use crate::video::{self, Picture};

/// Something that is asked from one second to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prompt {
    pub action: Action,
    pub from_s: f32,
    pub to_s: f32,
}

/// What is asked at a time.
pub fn prompted(script: &[Prompt], at_s: f32) -> Option<Prompted> {
    let now = script.iter().find(|p| (p.from_s..p.to_s).contains(&at_s));
    now.map(|p| Prompted { action: p.action, since_s: p.from_s })
}

/// All pictures of a performance of so many seconds.
pub fn played(performance: &mut dyn Performance, script: &[Prompt], seconds: f32) -> Vec<Picture> {
    let times = (0..(seconds * RATE as f32) as u32).map(|i| i as f32 / RATE as f32);
    times.map(|at_s| performance.frame(at_s, prompted(script, at_s))).collect()
}

/// Writes a performance as `path` (.y4m) and, with the ending .json, its name, its seed and its
/// prompts. All pictures are in memory until then: a mebibyte each.
pub fn write(
    path: &Path,
    (name, seed): (&str, u64),
    performance: &mut dyn Performance,
    script: &[Prompt],
    seconds: f32,
) -> io::Result<()> {
    video::write(path, RATE, &played(performance, script, seconds))?;
    let prompts: Vec<_> = script
        .iter()
        .map(|p| json!({ "action": p.action.word(), "from_s": p.from_s, "to_s": p.to_s }))
        .collect();
    let about =
        json!({ "simulated": true, "performance": name, "seed": seed, "rate": RATE, "prompts": prompts });
    std::fs::write(path.with_extension("json"), format!("{about:#}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Grey, and white while something is asked.
    struct Lamp;

    impl Performance for Lamp {
        fn frame(&mut self, _: f32, prompt: Option<Prompted>) -> Picture {
            let level = if prompt.is_some() { 255 } else { 100 };
            Picture { width: 2, height: 2, rgb: vec![level; 12] }
        }

        fn shine(&mut self, _: Option<[u8; 3]>) {}
    }

    #[test]
    fn a_film_has_its_prompts_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lamp.y4m");
        let script = [Prompt { action: Action::Nod, from_s: 0.5, to_s: 1.0 }];
        write(&path, ("lamp", 7), &mut Lamp, &script, 1.5).unwrap();
        let (rate, pictures) = video::read(&path).unwrap();
        assert_eq!((rate, pictures.len()), (RATE, 45));
        let white = pictures.iter().filter(|p| p.rgb[0] > 200).count();
        assert_eq!(white, 15);
        let about = std::fs::read_to_string(path.with_extension("json")).unwrap();
        let about: serde_json::Value = serde_json::from_str(&about).unwrap();
        assert_eq!(about["prompts"][0]["action"], "nod");
        assert_eq!((&about["simulated"], &about["seed"]), (&json!(true), &json!(7)));
    }
}
