use std::process::ExitCode;

fn main() -> ExitCode {
    aip_model::main()
}
