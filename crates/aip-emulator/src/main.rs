//! aip-emulator: Google Cloud on loopback.

use std::process::ExitCode;

fn main() -> ExitCode {
    aip_emulator::main()
}
