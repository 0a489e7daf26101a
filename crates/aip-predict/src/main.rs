use std::process::ExitCode;

fn main() -> ExitCode {
    aip_predict::main()
}
