//! What `vultus evaluate` is told, and how its reports are said. It measures nothing itself.

use std::path::PathBuf;

use clap::Subcommand;
use vultus_cli::evaluate::capture::{self, Program, Terminal};
use vultus_cli::evaluate::{self, liveness};

use crate::{Done, Outcome};

#[derive(Subcommand)]
pub enum Evaluation {
    /// Verification accuracy, FMR and FNMR: a folder for each person, or LFW with its pairs.txt.
    Recognition {
        folder: PathBuf,
        #[arg(long)]
        pairs: Option<PathBuf>,
    },
    /// Presentation attack detection, APCER and BPCER: a folder for each kind, one of them bona-fide/.
    ///
    /// A presentation is a video (.y4m; others where ffmpeg is installed), a folder of numbered pictures, or
    /// a picture. NAME.json beside it says what was asked when.
    Liveness {
        folder: PathBuf,
        /// Write DET curves and histograms (SVG) to this folder.
        #[arg(long)]
        plots: Option<PathBuf>,
        /// Where what was measured is kept, so that it is not measured again; in FOLDER where it is left out.
        #[arg(long)]
        records: Option<PathBuf>,
        /// Frames a second of pictures in a folder.
        #[arg(long, default_value_t = liveness::RATE, value_parser = clap::value_parser!(u32).range(1..=240))]
        rate: u32,
        /// Whether the actions that NAME.json asks for are judged.
        #[arg(long, value_enum, default_value_t = liveness::Actions::Script)]
        actions: liveness::Actions,
        /// No progress bar.
        #[arg(long)]
        quiet: bool,
    },
    /// Record bona fide and attack presentations with a camera of your own, guided, and measure them.
    Capture {
        /// A new folder, or one that is closed to others.
        folder: PathBuf,
        /// The device, such as /dev/video0; the first colour camera where it is left out.
        #[arg(long)]
        camera: Option<PathBuf>,
        /// One kind only: bona-fide, a kind of attack, or a name of your own.
        #[arg(long)]
        kind: Option<String>,
        /// How long a recording lasts, 7 to 120.
        #[arg(long, default_value_t = 13)]
        seconds: u32,
    },
}

/// `quiet`: without a progress bar, whatever the command line says.
pub fn evaluate(
    what: Evaluation,
    models: PathBuf,
    quiet: bool,
) -> Result<Outcome, Box<dyn std::error::Error>> {
    match what {
        Evaluation::Recognition { folder, pairs } => {
            let report = evaluate::run(&evaluate::Options { folder, pairs, models, quiet })?;
            said(report.table(), &report)
        }
        Evaluation::Liveness { folder, plots, records, rate, actions, quiet: still } => {
            let quiet = quiet || still;
            let options = liveness::Options { folder, models, records, plots, rate, actions, quiet };
            let report = liveness::run(&options)?;
            said(report.table(), &report)
        }
        Evaluation::Capture { folder, camera, kind, seconds } => {
            let liveness = liveness::Options { quiet, ..liveness::Options::of(&folder, &models) };
            let options = capture::Options { camera, kind, seconds, liveness };
            let report = capture::run(&options, &mut Terminal, &mut Program::find())?;
            said(report.table(), &report)
        }
    }
}

fn said(text: String, report: &impl serde::Serialize) -> Result<Outcome, Box<dyn std::error::Error>> {
    Ok(Outcome { text, json: serde_json::to_value(report)?, done: Done::Yes })
}
