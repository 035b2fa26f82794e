//! `vultus-record`: records one camera to a file of the user who runs it, with nothing between. `vultus
//! evaluate capture` runs it; it says on its output what happens, a line each, and ends when its input is
//! closed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vultus_camera::record::{Asked, Audience, Event, MOST_SECONDS, Plan, RecordError, pick, record};
use vultus_camera::v4l2::KernelCameras;

const LONGEST: i64 = MOST_SECONDS as i64;

/// Records a camera as uncompressed video, about 28 MB a second at 640 x 480.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The device, such as /dev/video0; the first colour camera where it is left out.
    #[arg(long)]
    camera: Option<PathBuf>,
    /// How long.
    #[arg(long, default_value_t = 13, value_parser = clap::value_parser!(u32).range(1..=LONGEST))]
    seconds: u32,
    /// What to ask for, and from when to when, in ms: nod:2000-6000. In order.
    #[arg(long = "ask", value_parser = Asked::parse)]
    asked: Vec<Asked>,
    /// The video to write (.y4m); a file that ends in .json is put beside it.
    output: PathBuf,
}

/// Whoever runs this program.
struct Caller;

impl Audience for Caller {
    fn hear(&mut self, event: Event<'_>) -> io::Result<()> {
        let mut output = io::stdout();
        match event {
            Event::Begun => writeln!(output, "begun")?,
            Event::Ask(action) => writeln!(output, "ask {action}")?,
            Event::Rest => writeln!(output, "rest")?,
        }
        output.flush()
    }

    /// A pipe whose other end is closed has hung up; a terminal has not.
    fn listens(&self) -> bool {
        let input = io::stdin();
        let mut asked = [PollFd::new(&input, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut asked, Some(&now)) {
            Ok(_) => !asked[0].revents().contains(PollFlags::HUP),
            Err(_) => true,
        }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("vultus-record: {e}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), RecordError> {
    let cameras = KernelCameras::new(arguments.camera.into_iter().collect());
    let camera = pick(&cameras)?;
    let plan = Plan { output: arguments.output, seconds: arguments.seconds, asked: arguments.asked };
    record(&cameras, &camera, &plan, &mut Caller)?;
    Ok(())
}
