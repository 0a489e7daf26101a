use std::process::ExitCode;

fn main() -> ExitCode {
    aip_upload::main()
}
