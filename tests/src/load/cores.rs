//! Which processor cores there are, which processes run on which, and for how long they have run. A measured
//! server gets a core for itself where there are two.

use std::error::Error;
use std::fs;
use std::io;
use std::process::Command;

use crate::process::{run, system};

/// The kernel counts in these for programs, whatever it counts in itself (USER_HZ; proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// Who runs where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// For what is measured: the server, its database, and what they are compared with.
    pub server: usize,
    /// For the load. The same one where there is no other.
    pub client: usize,
}

impl Cores {
    /// The first two that this process may use.
    pub fn allowed() -> io::Result<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let allowed = list.map(|list| parsed(list.trim())).unwrap_or_default();
        let server = *allowed.first().ok_or_else(|| io::Error::other("no list of processor cores"))?;
        Ok(Self { server, client: allowed.get(1).copied().unwrap_or(server) })
    }

    pub fn are_two(self) -> bool {
        self.server != self.client
    }

    /// Moves this process, and whatever it starts from now on, to the client's core.
    pub fn settle(self) -> Result<(), Box<dyn Error>> {
        let mut command = system("taskset");
        let (core, own) = (self.client.to_string(), std::process::id().to_string());
        command.args(["--all-tasks", "--cpu-list", "--pid", &core, &own]);
        let done = run(command, 0, "")?;
        if done.status == 0 { Ok(()) } else { Err(format!("taskset: {}", done.err).into()) }
    }
}

/// The same command on one core, where one is given. What else was set about the command is lost.
pub fn on(core: Option<usize>, program: &Command) -> Command {
    let mut command = match core {
        None => Command::new(program.get_program()),
        Some(core) => {
            let mut command = system("taskset");
            command.args(["--cpu-list", &core.to_string()]).arg(program.get_program());
            command
        }
    };
    command.args(program.get_args());
    command
}

/// CPU seconds of a process, in user mode and in the kernel.
pub fn cpu_seconds(pid: u32) -> io::Result<f64> {
    Ok(Usage::of(pid)?.own)
}

/// The same with its children, those that have ended too.
pub fn cpu_seconds_with_children(pid: u32) -> io::Result<f64> {
    let parent = Usage::of(pid)?;
    let mut sum = parent.own + parent.reaped;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(other) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ends in between is among the reaped of the next look.
        if let Ok(usage) = Usage::of(other)
            && usage.parent == pid
        {
            sum += usage.own + usage.reaped;
        }
    }
    Ok(sum)
}

/// From `/proc/PID/stat`, in seconds.
struct Usage {
    parent: u32,
    own: f64,
    /// Of its children that have ended.
    reaped: f64,
}

impl Usage {
    fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        Self::parse(&stat).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat is of another form")))
    }

    /// The program's name is in parentheses, and may hold some itself.
    fn parse(stat: &str) -> Option<Self> {
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
        let parent = fields.get(1)?.parse().ok()?;
        let own = (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND;
        Some(Self { parent, own, reaped: (ticks(13)? + ticks(14)?) / TICKS_PER_SECOND })
    }
}

/// Such as `0-2,5`.
fn parsed(list: &str) -> Vec<usize> {
    let range = |part: &str| -> Option<Vec<usize>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.parse().ok()?..=last.parse().ok()?).collect())
    };
    list.split(',').filter_map(range).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_cores_is_read() {
        assert_eq!(parsed("0-2,5"), [0, 1, 2, 5]);
        assert_eq!(parsed("3"), [3]);
        assert_eq!(parsed(""), [0; 0]);
    }

    #[test]
    fn a_programs_name_does_not_confuse_the_count() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4194304 1 2 3 4 150 50 30 20 20 0 1 0 100 1 1";
        let usage = Usage::parse(stat).unwrap();
        assert_eq!((usage.parent, usage.own, usage.reaped), (3, 2.0, 0.5));
        assert!(Usage::parse("7 (a) S 3").is_none());
    }

    #[test]
    fn work_is_seen_to_be_done() {
        let before = cpu_seconds(std::process::id()).unwrap();
        let begun = std::time::Instant::now();
        while cpu_seconds(std::process::id()).unwrap() < before + 0.05 {
            assert!(begun.elapsed() < crate::process::PATIENCE, "no CPU time is counted");
        }
    }
}
