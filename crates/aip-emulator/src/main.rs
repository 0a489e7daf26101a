//! aip-emulator: Google Cloud on loopback.

fn main() {}
