//! Keeps a process's memory from others: no core dump, and no debugger of another process of its user.
//!
//! Threat model: M25.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

use crate::IpcError;

/// To be called before anything secret is read.
pub fn keep_memory_private() -> Result<(), IpcError> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    Ok(rustix::process::setrlimit(Resource::Core, none)?)
}
