//! Has a recording made by the program `vultus-record`, which alone touches the camera: this process links
//! nothing of it. It understands the lines that the program says, and passes them on.
//!
//! The program runs apart from the terminal's keys and ends when its input is closed. So Ctrl-C ends this
//! process alone, and the program then removes what is not whole.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use vultus_vision::liveness::Action;

use super::script::Asked;

const PROGRAM: &str = "vultus-record";
/// The longest line that it says, in bytes.
const LONGEST: u64 = 256;

/// What to record.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The video; another file is put beside it.
    pub output: &'a Path,
    pub camera: Option<&'a Path>,
    pub seconds: u32,
    pub asked: &'a [Asked],
}

/// What happens while it records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The camera sees.
    Begun,
    Ask(Action),
    /// The time for it is over.
    Rest,
}

/// Why there is no recording. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("the program vultus-record cannot be run: {0}")]
    Program(#[source] std::io::Error),
    /// It has said why.
    #[error("nothing was recorded")]
    Failed,
}

/// What makes a recording.
pub trait Recorder {
    fn record(&mut self, order: &Order<'_>, says: &mut dyn FnMut(Event)) -> Result<(), RecorderError>;
}

/// The program, beside this one or where programs are.
#[derive(Clone, Debug)]
pub struct Program(PathBuf);

impl Program {
    pub fn find() -> Self {
        let own = std::env::current_exe().ok();
        let beside = own.map(|own| own.with_file_name(PROGRAM)).filter(|path| path.is_file());
        Self(beside.unwrap_or_else(|| PROGRAM.into()))
    }

    fn command(&self, order: &Order<'_>) -> Command {
        let mut command = Command::new(&self.0);
        if let Some(camera) = order.camera {
            command.arg("--camera").arg(camera);
        }
        command.arg("--seconds").arg(order.seconds.to_string());
        for Asked { action, from_ms, to_ms } in order.asked {
            command.arg("--ask").arg(format!("{}:{from_ms}-{to_ms}", action.word()));
        }
        command.arg("--").arg(order.output);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        command
    }
}

impl Recorder for Program {
    fn record(&mut self, order: &Order<'_>, says: &mut dyn FnMut(Event)) -> Result<(), RecorderError> {
        let mut child = self.command(order).spawn().map_err(RecorderError::Program)?;
        // Its input stays open as long as it is wanted.
        let input = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            listen(output, says);
        }
        let ended = child.wait();
        drop(input);
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(RecorderError::Failed),
            Err(e) => {
                end(&mut child);
                Err(RecorderError::Program(e))
            }
        }
    }
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// To the end of what it says. What is not understood is nothing.
fn listen(output: ChildStdout, says: &mut dyn FnMut(Event)) {
    let mut output = BufReader::new(output);
    loop {
        let mut line = Vec::new();
        match output.by_ref().take(LONGEST).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => understood(&line).into_iter().for_each(&mut *says),
        }
    }
}

fn understood(line: &[u8]) -> Option<Event> {
    match std::str::from_utf8(line).ok()?.trim_end() {
        "begun" => Some(Event::Begun),
        "rest" => Some(Event::Rest),
        other => other.strip_prefix("ask ").and_then(Action::of_word).map(Event::Ask),
    }
}

/// Writes a little video without a camera, and remembers what it was told. Fails as often as it is to.
#[cfg(test)]
#[derive(Default)]
pub struct Fake {
    /// The outputs and what was asked.
    pub orders: Vec<(PathBuf, Vec<Asked>)>,
    pub failures: usize,
}

#[cfg(test)]
impl Recorder for Fake {
    fn record(&mut self, order: &Order<'_>, says: &mut dyn FnMut(Event)) -> Result<(), RecorderError> {
        self.orders.push((order.output.to_path_buf(), order.asked.to_vec()));
        if self.failures > 0 {
            self.failures -= 1;
            return Err(RecorderError::Failed);
        }
        says(Event::Begun);
        for one in order.asked {
            says(Event::Ask(one.action));
            says(Event::Rest);
        }
        let video = b"YUV4MPEG2 W1 H1 F30:1 C444\nFRAME\n\x10\x80\x80";
        std::fs::write(order.output, video).map_err(RecorderError::Program)?;
        std::fs::write(order.output.with_extension("json"), "{}").map_err(RecorderError::Program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order<'a>(output: &'a Path, asked: &'a [Asked]) -> Order<'a> {
        Order { output, camera: Some(Path::new("/dev/video7")), seconds: 12, asked }
    }

    #[test]
    fn the_order_is_what_the_program_reads() {
        let asked = [Asked { action: Action::TurnLeft, from_ms: 2000, to_ms: 6000 }];
        let command = Program("x".into()).command(&order(Path::new("-o.y4m"), &asked));
        let arguments: Vec<_> = command.get_args().map(|a| a.to_str().unwrap()).collect();
        let expected =
            ["--camera", "/dev/video7", "--seconds", "12", "--ask", "turn-left:2000-6000", "--", "-o.y4m"];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn what_it_says_is_understood() {
        assert_eq!(understood(b"begun\n"), Some(Event::Begun));
        assert_eq!(understood(b"ask turn-right\n"), Some(Event::Ask(Action::TurnRight)));
        assert_eq!(understood(b"rest"), Some(Event::Rest));
        for line in [b"ask wink\n".as_slice(), b"\xff\n", b"\n", b"begun it\n"] {
            assert_eq!(understood(line), None);
        }
    }

    #[test]
    fn a_program_that_is_missing_or_fails_is_an_error() {
        let (output, asked) = (Path::new("none.y4m"), []);
        let mut said = Vec::new();
        let missing =
            Program("/nowhere/vultus-record".into()).record(&order(output, &asked), &mut |e| said.push(e));
        assert!(matches!(missing, Err(RecorderError::Program(_))));
        let fails = Program("false".into()).record(&order(output, &asked), &mut |e| said.push(e));
        assert!(matches!(fails, Err(RecorderError::Failed)));
        let says_nothing = Program("true".into()).record(&order(output, &asked), &mut |e| said.push(e));
        assert!(says_nothing.is_ok() && said.is_empty());
    }
}
