//! Reads what stands beside a presentation (NAME.json): what was asked of the person when, and when its
//! frames were taken. It is the form that the recorder and the simulation write; fields that it does not know
//! are others'.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::Deserialize;
use vultus_vision::liveness::Action;

use super::film::FilmError;

/// The longest file, in bytes: some 20,000 times, and what was asked.
const LONGEST: u64 = 1024 * 1024;
const MOST_PROMPTS: usize = 64;
/// The end of the latest prompt, in seconds.
const LATEST_S: f64 = 3600.0;

/// What a sidecar says. Without one: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sidecar {
    /// Whether its author says that nobody real was before the camera.
    pub simulated: bool,
    /// Frames a second, for pictures in a folder.
    pub rate: Option<u32>,
    /// In order, none within another.
    pub prompts: Vec<Prompt>,
    /// When each frame was taken, in µs from the first: growing. For cameras, whose rate is not steady.
    pub times_us: Option<Vec<u64>>,
}

/// What was asked, and from when to when, in µs from the first frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub action: Action,
    pub from_us: u64,
    pub to_us: u64,
}

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    simulated: bool,
    rate: Option<u32>,
    #[serde(default)]
    prompts: Vec<WrittenPrompt>,
    times_us: Option<Vec<u64>>,
}

#[derive(Deserialize)]
struct WrittenPrompt {
    action: String,
    from_s: f64,
    to_s: f64,
}

impl Sidecar {
    /// Of a file that need not be there.
    pub fn read(path: &Path) -> Result<Self, FilmError> {
        let mut text = String::new();
        // What is no file may have no end.
        if path.exists() && !path.is_file() {
            return Err(FilmError::Sidecar("it is no file"));
        }
        match File::open(path) {
            Ok(file) => file.take(LONGEST + 1).read_to_string(&mut text)?,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(e.into()),
        };
        if text.len() as u64 > LONGEST {
            return Err(FilmError::Sidecar("it is too long"));
        }
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, FilmError> {
        let written: Written =
            serde_json::from_str(text).map_err(|_| FilmError::Sidecar("it is not of this form"))?;
        if written.prompts.len() > MOST_PROMPTS {
            return Err(FilmError::Sidecar("it asks for too much"));
        }
        let prompts: Vec<Prompt> = written.prompts.iter().map(Prompt::of).collect::<Result<_, _>>()?;
        if !prompts.windows(2).all(|pair| pair[0].to_us <= pair[1].from_us) {
            return Err(FilmError::Sidecar("what it asks is not in order"));
        }
        let Written { simulated, rate, times_us, .. } = written;
        if rate.is_some_and(|rate| !(1..=240).contains(&rate)) {
            return Err(FilmError::Sidecar("its rate is not 1 to 240 frames a second"));
        }
        let last_us = (LATEST_S * 1e6) as u64;
        if times_us.as_ref().is_some_and(|times| !grows(times) || times.last().is_some_and(|t| *t > last_us))
        {
            return Err(FilmError::Sidecar("its times do not grow, or too far"));
        }
        Ok(Self { simulated, rate, prompts, times_us })
    }
}

fn grows(times: &[u64]) -> bool {
    times.windows(2).all(|pair| pair[0] < pair[1])
}

impl Prompt {
    fn of(written: &WrittenPrompt) -> Result<Self, FilmError> {
        let action =
            Action::of_word(&written.action).ok_or(FilmError::Sidecar("it names no known action"))?;
        let WrittenPrompt { from_s, to_s, .. } = *written;
        if !(0.0..to_s).contains(&from_s) || to_s > LATEST_S {
            return Err(FilmError::Sidecar("a prompt ends before it begins, or too late"));
        }
        Ok(Self { action, from_us: (from_s * 1e6) as u64, to_us: (to_s * 1e6) as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_simulations_form_is_read() {
        let text = r#"{ "simulated": true, "performance": "matte-print", "seed": 7, "rate": 30,
            "prompts": [ { "action": "nod", "from_s": 0.5, "to_s": 3 },
                         { "action": "turn-left", "from_s": 3.0, "to_s": 5.25 } ] }"#;
        let sidecar = Sidecar::parse(text).unwrap();
        let nod = Prompt { action: Action::Nod, from_us: 500_000, to_us: 3_000_000 };
        assert_eq!((sidecar.simulated, sidecar.rate), (true, Some(30)));
        assert_eq!(sidecar.prompts[0], nod);
        assert_eq!(sidecar.prompts[1].to_us, 5_250_000);
        let times = Sidecar::parse(r#"{"times_us":[0,33000,70000]}"#).unwrap();
        assert_eq!(times.times_us, Some(vec![0, 33_000, 70_000]));
        assert_eq!(Sidecar::parse("{}").unwrap(), Sidecar::default());
    }

    #[test]
    fn nothing_is_asked_where_there_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Sidecar::read(&folder.path().join("a.json")).unwrap(), Sidecar::default());
        let long = folder.path().join("long.json");
        std::fs::write(&long, " ".repeat(LONGEST as usize + 1)).unwrap();
        assert!(matches!(Sidecar::read(&long), Err(FilmError::Sidecar(_))));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let prompt = |fields: &str| format!(r#"{{"prompts":[{{{fields}}}]}}"#);
        for text in [
            "".to_owned(),
            "[]".to_owned(),
            r#"{"rate":0}"#.to_owned(),
            r#"{"times_us":[0,5,5]}"#.to_owned(),
            r#"{"times_us":[3600000001]}"#.to_owned(),
            prompt(r#""action":"wink","from_s":1,"to_s":2"#),
            prompt(r#""action":"nod","from_s":2,"to_s":2"#),
            prompt(r#""action":"nod","from_s":-1,"to_s":2"#),
            prompt(r#""action":"nod","from_s":1,"to_s":1e9"#),
            prompt(r#""action":"nod","from_s":1,"to_s":4},{"action":"nod","from_s":3,"to_s":5"#),
        ] {
            assert!(matches!(Sidecar::parse(&text), Err(FilmError::Sidecar(_))), "{text}");
        }
    }
}
