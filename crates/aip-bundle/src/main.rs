//! aip-bundle: a model's predictor, packaged.

fn main() -> std::process::ExitCode {
    aip_bundle::main()
}
