//! What benchmarks and comparisons measure with: percentiles, the memory of a process, and ONNX
//! Runtime in a process beside this one. It judges nothing.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use vultus_vision::manifest;
use vultus_vision::reference::Stages;

use crate::pictures::{self, Photograph};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The value that such a share of all values, and no smaller one, does not exceed (nearest rank).
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Does something once: its result, and the milliseconds it took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed().as_secs_f64() * 1e3)
}

/// The memory of a process in KiB, with its share of what it has in common with others (PSS). Of a
/// process that may not be dumped, only root learns it.
pub fn memory(pid: u32) -> io::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let field = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = field.and_then(|f| f.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("no Pss in smaps_rollup"))
}

/// How often memory is looked at while something runs.
const GLANCE: Duration = Duration::from_millis(20);

/// Looks at the memory of some processes for as long as something runs: one row of KiB a look.
pub fn memory_during<T: Send>(
    pids: &[u32],
    work: impl FnOnce() -> T + Send,
) -> io::Result<(T, Vec<Vec<u64>>)> {
    std::thread::scope(|scope| {
        let worker = scope.spawn(work);
        let mut looks = Vec::new();
        while !worker.is_finished() {
            looks.push(pids.iter().map(|&pid| memory(pid)).collect::<io::Result<Vec<u64>>>()?);
            std::thread::sleep(GLANCE);
        }
        let result = worker.join().map_err(|_| io::Error::other("what was measured has panicked"))?;
        Ok((result, looks))
    })
}

/// The file of a model, by its name in the manifest.
pub fn model_file(name: &str) -> Result<PathBuf> {
    let record = manifest::records()?.into_iter().find(|r| r.name == name);
    Ok(pictures::models().join(record.ok_or_else(|| format!("{name} is not in the manifest"))?.file))
}

/// Of each network, in the manifest's order, what it is given for each photograph.
pub fn network_inputs(stages: &Stages) -> Result<[Vec<Vec<f32>>; 3]> {
    let mut inputs: [Vec<Vec<f32>>; 3] = Default::default();
    for which in Photograph::ALL {
        let image = pictures::image(&pictures::photograph(which)?)?;
        let given = stages.inputs(&image)?.ok_or("a photograph without a face")?;
        for (list, (_, input)) in inputs.iter_mut().zip(given) {
            list.push(input);
        }
    }
    Ok(inputs)
}

/// What ONNX Runtime makes of some inputs of a model: of each, the outputs' elements.
pub fn onnx_outputs(model: &Path, inputs: &[Vec<f32>]) -> Result<Vec<Vec<Vec<f32>>>> {
    let folder = tempfile::tempdir()?;
    let files = write_inputs(folder.path(), inputs)?;
    let done = python()?.arg(model).args(&files).output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    files.iter().map(|file| read_outputs(file)).collect()
}

/// ONNX Runtime with one model loaded, in a process that works only while it is asked.
pub struct OnnxRuntime {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub version: String,
    // Its inputs; it has read them all before it says its version.
    _folder: tempfile::TempDir,
}

impl OnnxRuntime {
    /// Loads a model; each block then runs it so many times, one input after the other.
    pub fn start(model: &Path, inputs: &[Vec<f32>], runs: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = python()?;
        command.args(["--bench", &runs.to_string()]).arg(model).args(write_inputs(folder.path(), inputs)?);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let questions = process.stdin.take().ok_or("no way to ask ONNX Runtime")?;
        let answers = BufReader::new(process.stdout.take().ok_or("no way to hear ONNX Runtime")?);
        let mut started = Self { process, questions, answers, version: String::new(), _folder: folder };
        started.version = started.hear()?;
        Ok(started)
    }

    /// The milliseconds of each run of one block.
    pub fn block(&mut self) -> Result<Vec<f64>> {
        self.questions.write_all(b"\n")?;
        self.questions.flush()?;
        Ok(serde_json::from_str(&self.hear()?)?)
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("ONNX Runtime ended: what it said is above".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for OnnxRuntime {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The project's own Python with our script, to be given arguments.
fn python() -> Result<Command> {
    let python = pictures::cache().join("venv/bin/python");
    if !python.exists() {
        return Err(format!("{} is missing: cargo xtask models", python.display()).into());
    }
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx_reference.py"));
    Ok(command)
}

fn write_inputs(folder: &Path, inputs: &[Vec<f32>]) -> io::Result<Vec<PathBuf>> {
    let write = |(i, input): (usize, &Vec<f32>)| {
        let file = folder.join(format!("input{i}"));
        let bytes: Vec<u8> = input.iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(&file, bytes).map(|()| file)
    };
    inputs.iter().enumerate().map(write).collect()
}

/// `INPUT.0`, `INPUT.1` and so on, as many as there are.
fn read_outputs(input: &Path) -> Result<Vec<Vec<f32>>> {
    let output = |i: usize| PathBuf::from(format!("{}.{i}", input.display()));
    let files = (0..).map(output).take_while(|file| file.exists());
    let read = |file: PathBuf| -> Result<Vec<f32>> {
        let bytes = std::fs::read(file)?;
        Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    };
    files.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let twenty: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(percentile(&twenty, 0.5), 10.0);
        assert_eq!(percentile(&twenty, 0.95), 19.0);
        assert_eq!(percentile(&twenty, 1.0), 20.0);
        assert_eq!(percentile(&[7.0], 0.5), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn memory_is_seen_to_grow() {
        let own = std::process::id();
        let before = memory(own).unwrap();
        let (_, looks) = memory_during(&[own], || {
            let block = vec![1u8; 32 << 20];
            std::thread::sleep(GLANCE * 5);
            std::hint::black_box(&block);
        })
        .unwrap();
        let most = looks.iter().map(|look| look[0]).max().unwrap();
        assert!(most >= before + (16 << 10), "{before} KiB, then {most} KiB");
    }
}
