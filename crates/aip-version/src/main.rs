use std::process::ExitCode;

fn main() -> ExitCode {
    aip_version::main()
}
