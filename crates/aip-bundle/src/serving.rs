//! The server in the image: the Python package of `templates/serving/`.

/// Its name, and its folder's beside predictor.py.
pub(crate) const PACKAGE: &str = "mlflow_aip_serving";

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        /// Names and contents, sorted by name.
        pub(crate) const FILES: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../../templates/serving/", $name)))),*];
    };
}

files![
    "__init__.py",
    "__main__.py",
    "app.py",
    "loader.py",
    "logs.py",
    "messages.py",
    "paths.py",
    "server.py",
    "settings.py",
    "storage.py",
    "transfer.py",
    "worker.py",
];

/// What it runs on. uvicorn does without httptools, for twice the CPU of its own part.
pub(crate) const REQUIREMENTS: [&str; 3] = ["starlette", "uvicorn", "httptools"];

/// The oldest Python that it runs on, 3 and this.
pub(crate) const OLDEST_MINOR: u32 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_forgotten() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates/serving");
        let entries = std::fs::read_dir(folder).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let modules = paths.filter(|path| path.extension().is_some_and(|ext| ext == "py"));
        let mut names: Vec<_> =
            modules.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        assert_eq!(names, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }
}
