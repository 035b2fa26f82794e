//! The library side of the `vultus` command: the bus as it sees it, and measurement.
#![forbid(unsafe_code)]

pub mod bus;
pub mod evaluate;
pub mod password;
