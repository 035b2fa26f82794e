//! Where guidance is shown: line by line, or on a terminal that is all over of the colour that is asked for.
//! What it showed before comes back at the end. Whether a face follows the colours is never decided here.
//!
//! Threat model: M47.

use std::error::Error;
use std::io::{IsTerminal, Stdout, Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use vultus_ipc::Guidance;

use crate::foreign::plain;

/// Whether the person lets colours flash.
#[derive(Args, Clone, Copy)]
pub struct ScreenChoice {
    /// Let the terminal flash in colours, which a face in front of it reflects: turn it to your face and make
    /// it large. WARNING: it flashes twice a second. Not advised for people with photosensitive epilepsy, nor
    /// near them.
    #[arg(long)]
    screen: bool,
}

/// The terminal's other page, without a cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
/// Wiped first: a terminal with one page only must not stay coloured.
const LEAVE: &str = "\x1b[0m\x1b[2J\x1b[?25h\x1b[?1049l";
/// From this relative luminance on (WCAG 2), black is read better than white.
const BRIGHT: f32 = 0.179;

/// Where the person is told what to do.
pub struct Screen<W: Write> {
    /// Whether it shows colours.
    shows: bool,
    out: W,
    colour: Option<[u8; 3]>,
    /// What was said last, beside colours: it holds until something else is said.
    prompt: String,
    /// Whether that was shown in colour alone, and goes with it.
    passing: bool,
    /// Whether the terminal is coloured: for who ends the program from outside.
    coloured: Arc<AtomicBool>,
}

impl Screen<Stdout> {
    /// Refuses colours where there is no terminal to show them.
    pub fn at_terminal(choice: ScreenChoice) -> Result<Self, Box<dyn Error>> {
        if !choice.screen {
            return Ok(Self::of(stdout(), false));
        }
        if !stdout().is_terminal() {
            return Err("--screen needs a terminal to colour, and standard output is none".into());
        }
        let screen = Self::of(stdout(), true);
        restore_when_ended(Arc::clone(&screen.coloured))?;
        Ok(screen)
    }
}

impl<W: Write> Screen<W> {
    fn of(out: W, shows: bool) -> Self {
        let coloured = Arc::new(AtomicBool::new(false));
        Self { shows, out, colour: None, prompt: String::new(), passing: false, coloured }
    }

    /// Whether the colours of guidance are shown: as `ShowsColours` has it.
    pub fn shows(&self) -> bool {
        self.shows
    }

    /// Shows one guidance, by its word and its sentence.
    pub fn guide(&mut self, word: &str, sentence: &str) {
        let sentence = plain(sentence);
        let named = Guidance::COLOURS.into_iter().find(|guidance| guidance.word() == word);
        match named.and_then(Guidance::colour) {
            Some(colour) if self.shows => self.paint(colour, &sentence),
            _ if word == Guidance::ScreenOff.word() => self.over(),
            _ => self.say(sentence),
        }
    }

    /// Gives the terminal back as it was.
    pub fn over(&mut self) {
        if self.colour.take().is_none() {
            return;
        }
        self.write(LEAVE);
        self.coloured.store(false, Ordering::SeqCst);
        // It vanished with the colours, and holds still.
        if self.passing {
            self.passing = false;
            eprintln!("{}", self.prompt);
        }
    }

    fn say(&mut self, sentence: String) {
        self.prompt = sentence;
        self.passing = self.colour.is_some();
        match self.colour {
            Some(colour) => self.paint(colour, ""),
            None => eprintln!("{}", self.prompt),
        }
    }

    fn paint(&mut self, colour: [u8; 3], sentence: &str) {
        let enter = if self.colour.is_none() { ENTER } else { "" };
        let picture = format!("{enter}{}", painted(colour, &self.prompt, sentence));
        self.colour = Some(colour);
        self.coloured.store(true, Ordering::SeqCst);
        self.write(&picture);
    }

    fn write(&mut self, text: &str) {
        // On a terminal that has gone no face follows anything: the attempt fails by itself.
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        self.over();
    }
}

/// The whole terminal in one colour, with two lines to be read: at the top, near to where a camera is mostly.
fn painted(colour: [u8; 3], prompt: &str, sentence: &str) -> String {
    let ([r, g, b], [x, y, z]) = (colour, ink(colour));
    format!("\x1b[0;1;48;2;{r};{g};{b};38;2;{x};{y};{z}m\x1b[2J\x1b[2;4H{prompt}\x1b[4;4H{sentence}")
}

/// Black on what is bright, white on what is dark. Parts of 0 and 255 are as far apart in light as in number.
fn ink([r, g, b]: [u8; 3]) -> [u8; 3] {
    let light = 0.2126 * f32::from(r) + 0.7152 * f32::from(g) + 0.0722 * f32::from(b);
    if light > BRIGHT * 255.0 { [0; 3] } else { [255; 3] }
}

/// Has Ctrl-C and its like give the terminal back before they end the program: nothing is dropped then. To be
/// called before there is another thread: one that does not block them would take them.
fn restore_when_ended(coloured: Arc<AtomicBool>) -> Result<(), Box<dyn Error>> {
    let mut ends = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        ends.add(signal);
    }
    ends.thread_block()?;
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        let Ok(signal) = ends.wait() else {
            return;
        };
        // Held to the end, so that no colour comes after it.
        let mut out = stdout().lock();
        if coloured.load(Ordering::SeqCst) {
            let _ = out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush());
        }
        std::process::exit(128 + signal as i32);
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RED: Guidance = Guidance::ScreenRed;
    const BLUE: Guidance = Guidance::ScreenBlue;
    const OFF: Guidance = Guidance::ScreenOff;
    const NOD: Guidance = Guidance::NodNow;

    /// What the terminal is sent where this is told, and then nobody cares for the screen any more.
    fn sent(shows: bool, told: &[Guidance]) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::of(&mut out, shows);
        for guidance in told {
            screen.guide(guidance.word(), guidance.sentence());
        }
        drop(screen);
        String::from_utf8(out).unwrap()
    }

    fn red(prompt: &str, sentence: &str) -> String {
        painted([255, 0, 0], prompt, sentence)
    }

    #[test]
    fn colours_cover_the_terminal_and_go_again() {
        let blue = painted([0, 0, 255], "", BLUE.sentence());
        assert!(blue.contains("48;2;0;0;255;38;2;255;255;255m\x1b[2J"), "{blue:?}");
        let both = format!("{ENTER}{}{blue}{LEAVE}", red("", RED.sentence()));
        assert_eq!(sent(true, &[RED, BLUE, OFF]), both);
        assert_eq!(sent(true, &[RED, BLUE]), both, "where nobody says that they are over");
        let again = format!("{ENTER}{}{LEAVE}{ENTER}{blue}{LEAVE}", red("", RED.sentence()));
        assert_eq!(sent(true, &[RED, OFF, BLUE]), again);
    }

    #[test]
    fn without_colours_nothing_is_sent() {
        assert_eq!(sent(false, &[RED, NOD, BLUE, OFF]), "");
        assert_eq!(sent(true, &[NOD, OFF]), "");
    }

    #[test]
    fn a_prompt_stays_to_be_read() {
        let before = format!("{ENTER}{}{LEAVE}", red(NOD.sentence(), RED.sentence()));
        assert_eq!(sent(true, &[NOD, RED]), before);
        let (alone, prompted) = (red("", RED.sentence()), red(NOD.sentence(), ""));
        assert_eq!(sent(true, &[RED, NOD]), format!("{ENTER}{alone}{prompted}{LEAVE}"));
    }

    #[test]
    fn what_the_bus_says_cannot_write_escapes() {
        let mut out = Vec::new();
        let mut screen = Screen::of(&mut out, true);
        screen.guide(RED.word(), "\x1b[2Jgone");
        screen.guide("new-word", "\x1b[?1049lgone");
        drop(screen);
        let sent = String::from_utf8(out).unwrap();
        assert_eq!(sent, format!("{ENTER}{}{}{LEAVE}", red("", "[2Jgone"), red("[?1049lgone", "")));
    }

    #[test]
    fn every_colour_can_be_written_on() {
        let light = |[r, g, b]: [u8; 3]| {
            let [r, g, b] = [r, g, b].map(|part| f32::from(part) / 255.0);
            0.2126 * r + 0.7152 * g + 0.0722 * b
        };
        for colour in Guidance::COLOURS.into_iter().filter_map(Guidance::colour) {
            let (paper, ink) = (light(colour) + 0.05, light(ink(colour)) + 0.05);
            // WCAG 2: 4.5 to 1 is the least for text.
            assert!(paper.max(ink) / paper.min(ink) >= 4.5, "{colour:?}");
        }
    }
}
