//! The emulator from outside: over the network, and as a process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buckets;
mod copies;
mod faults;
mod lists;
mod objects;
mod process;
mod support;
mod uploads;
