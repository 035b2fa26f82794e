//! Whoever is guided: is told something, asked something, waited for. It knows nothing of what for.

use std::io::{self, BufRead, Write, stderr, stdin};
use std::time::Duration;

/// A person, or what stands for one.
pub trait Person {
    fn tell(&mut self, text: &str) -> io::Result<()>;

    /// A line; none where nobody answers any more.
    fn ask(&mut self, question: &str) -> io::Result<Option<String>>;

    fn wait(&mut self, time: Duration);
}

/// The longest answer, in bytes.
const LONGEST: u64 = 1024;

/// At the terminal, beside the standard output, which is for the report.
pub struct Terminal;

impl Person for Terminal {
    fn tell(&mut self, text: &str) -> io::Result<()> {
        writeln!(stderr(), "{text}")
    }

    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        write!(stderr(), "{question}")?;
        stderr().flush()?;
        let mut line = Vec::new();
        io::Read::take(stdin().lock(), LONGEST).read_until(b'\n', &mut line)?;
        Ok((!line.is_empty()).then(|| String::from_utf8_lossy(&line).into_owned()))
    }

    fn wait(&mut self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Answers as written, and waits for nothing.
#[cfg(test)]
#[derive(Default)]
pub struct Scripted {
    answers: std::collections::VecDeque<String>,
    /// All that was said.
    pub told: String,
}

#[cfg(test)]
impl Scripted {
    pub fn new(answers: &[&str]) -> Self {
        Self { answers: answers.iter().map(|answer| format!("{answer}\n")).collect(), told: String::new() }
    }
}

#[cfg(test)]
impl Person for Scripted {
    fn tell(&mut self, text: &str) -> io::Result<()> {
        self.told.push_str(text);
        self.told.push('\n');
        Ok(())
    }

    fn ask(&mut self, question: &str) -> io::Result<Option<String>> {
        self.tell(question)?;
        Ok(self.answers.pop_front())
    }

    fn wait(&mut self, _: Duration) {}
}
