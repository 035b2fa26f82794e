//! Leads a person through sessions, one after the other: what to show, a countdown, what to do, and whether
//! to keep it. It opens no camera and looks at no picture.

use std::path::Path;
use std::time::Duration;

use super::person::Person;
use super::plan::Session;
use super::recorder::{Event, Order, Recorder};
use super::script::{Asked, draw, sentence};
use super::{Options, storage};
use crate::evaluate::EvaluateError;

const SECOND: Duration = Duration::from_secs(1);
/// The countdown before a recording.
const COUNT: u32 = 3;

/// What comes after a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The same once more.
    Again,
    Another,
    End,
}

/// Goes through all sessions until the person ends it. How many recordings were kept.
pub fn all(
    options: &Options,
    sessions: &[Session],
    person: &mut dyn Person,
    recorder: &mut dyn Recorder,
) -> Result<usize, EvaluateError> {
    let mut guide = Guide { options, person, recorder, kept: 0 };
    for (place, session) in sessions.iter().enumerate() {
        guide.tell(&format!("\n[{}/{}] {} ({})", place + 1, sessions.len(), session.title, session.kind))?;
        guide.tell(session.how)?;
        let next = loop {
            match guide.session(session)? {
                Next::Again => {}
                next => break next,
            }
        };
        if next == Next::End {
            break;
        }
    }
    guide.tell(&format!("\n{} recordings were kept.", guide.kept))?;
    Ok(guide.kept)
}

struct Guide<'a> {
    options: &'a Options,
    person: &'a mut dyn Person,
    recorder: &'a mut dyn Recorder,
    kept: usize,
}

impl Guide<'_> {
    fn session(&mut self, session: &Session) -> Result<Next, EvaluateError> {
        match self.ask("Enter records, s skips, q ends: ")?.as_deref() {
            None | Some("q") => return Ok(Next::End),
            Some("s") => return Ok(Next::Another),
            Some("") => {}
            Some(_) => return Ok(Next::Again),
        }
        let video = storage::next(&self.options.liveness.folder, &session.kind)?;
        if !self.recorded(&video)? {
            return Ok(Next::Again);
        }
        self.settled(&video)
    }

    /// Whether there is a recording now. Where there is none, the recorder has said why.
    fn recorded(&mut self, video: &Path) -> Result<bool, EvaluateError> {
        for left in (1..=COUNT).rev() {
            self.tell(&format!("{left} ..."))?;
            self.person.wait(SECOND);
        }
        let asked = script(self.options.seconds)?;
        let camera = self.options.camera.as_deref();
        let order = Order { output: video, camera, seconds: self.options.seconds, asked: &asked };
        let person = &mut *self.person;
        let mut told = Ok(());
        let mut says = |event| {
            if told.is_ok() {
                told = person.tell(&said(event));
            }
        };
        let done = self.recorder.record(&order, &mut says);
        told.map_err(EvaluateError::Terminal)?;
        match done {
            Ok(()) => Ok(true),
            Err(why) => {
                self.tell(&format!("{why}. You can try again."))?;
                Ok(false)
            }
        }
    }

    /// Whoever says nothing more keeps what there is.
    fn settled(&mut self, video: &Path) -> Result<Next, EvaluateError> {
        loop {
            let answer = self.ask("Done. Enter keeps it, r records it again, d throws it away: ")?;
            let next = match answer.as_deref() {
                Some("") => Next::Another,
                None => Next::End,
                Some("r") => Next::Again,
                Some("d") => {
                    storage::remove(video)?;
                    return Ok(Next::Another);
                }
                Some(_) => continue,
            };
            if next == Next::Again {
                storage::remove(video)?;
            } else {
                self.kept += 1;
            }
            return Ok(next);
        }
    }

    fn tell(&mut self, text: &str) -> Result<(), EvaluateError> {
        self.person.tell(text).map_err(EvaluateError::Terminal)
    }

    /// Without the blanks around it.
    fn ask(&mut self, question: &str) -> Result<Option<String>, EvaluateError> {
        let answer = self.person.ask(question).map_err(EvaluateError::Terminal)?;
        Ok(answer.map(|line| line.trim().to_owned()))
    }
}

/// Fresh for each recording, so that nobody prepares for it.
fn script(seconds: u32) -> Result<Vec<Asked>, EvaluateError> {
    let mut random = [0; 64];
    getrandom::fill(&mut random).map_err(|_| EvaluateError::NoRandom)?;
    Ok(draw(seconds, &random))
}

/// With the terminal's bell, for those who look at the camera.
fn said(event: Event) -> String {
    match event {
        Event::Begun => "\x07Recording. Look at the camera.".to_owned(),
        Event::Ask(action) => format!("\x07>>> {}", sentence(action)),
        Event::Rest => "    look straight at the camera".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::person::Scripted;
    use super::super::plan::of_kind;
    use super::super::recorder::Fake;
    use super::*;
    use crate::evaluate::liveness;

    /// Guides through three sessions of one's own kind with these answers.
    fn guided(folder: &Path, answers: &[&str], failures: usize) -> (usize, Scripted, Fake) {
        let liveness = liveness::Options::of(folder, folder);
        let options = Options { camera: None, kind: None, seconds: 13, liveness };
        let (mut person, mut recorder) = (Scripted::new(answers), Fake { failures, ..Fake::default() });
        let kept = all(&options, &of_kind("own"), &mut person, &mut recorder).unwrap();
        (kept, person, recorder)
    }

    fn videos(folder: &Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(folder.join("own")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".y4m")).collect();
        names.sort();
        names
    }

    #[test]
    fn recordings_are_kept_repeated_skipped_and_thrown_away() {
        let folder = tempfile::tempdir().unwrap();
        // The first is repeated once and kept, the second skipped, the third thrown away.
        let answers = ["", "r", "", "", "s", "", "d"];
        let (kept, person, recorder) = guided(folder.path(), &answers, 0);
        assert_eq!((kept, recorder.orders.len()), (1, 3));
        assert_eq!(videos(folder.path()), ["session-0001.y4m"]);
        assert_eq!(recorder.orders[0].0, recorder.orders[1].0, "what is repeated has no other number");
        assert!(person.told.contains("1 recordings were kept"), "{}", person.told);
    }

    #[test]
    fn what_is_asked_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (_, person, recorder) = guided(folder.path(), &["", "", "q"], 0);
        let asked = &recorder.orders[0].1;
        assert_eq!(asked.len(), 2);
        assert!(asked.iter().all(|one| person.told.contains(sentence(one.action))));
        assert!(person.told.contains("3 ...\n2 ...\n1 ...\n\x07Recording"), "{}", person.told);
    }

    #[test]
    fn a_failed_recording_can_be_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, person, recorder) = guided(folder.path(), &["", "", "", "q"], 1);
        assert_eq!((kept, recorder.orders.len()), (1, 2));
        assert!(person.told.contains("nothing was recorded. You can try again."));
    }

    #[test]
    fn whoever_goes_away_ends_it_and_keeps_what_there_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(guided(folder.path(), &[""], 0).0, 1);
        assert_eq!(videos(folder.path()).len(), 1);
        let (kept, _, recorder) = guided(folder.path(), &[], 0);
        assert_eq!((kept, recorder.orders.len()), (0, 0));
    }

    #[test]
    fn an_answer_that_is_none_is_asked_again() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, _, recorder) = guided(folder.path(), &["what?", "", "hm", "", "q"], 0);
        assert_eq!((kept, recorder.orders.len()), (1, 1));
    }
}
