//! The wheel: predictor.py and the server, with nothing to run at installation.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use zip::result::ZipResult;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::requirements::Requirement;
use crate::serving;

/// What goes into the package.
#[derive(Debug)]
pub(crate) struct Wheel<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) predictor: &'a str,
    pub(crate) requirements: &'a [Requirement],
    /// `X.Y` of the Python that the model was made with.
    pub(crate) python_version: &'a str,
}

impl Wheel<'_> {
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}-py3-none-any.whl", self.name, self.version)
    }

    /// What it installs, sorted by path.
    pub(crate) fn modules(&self) -> Vec<(String, &str)> {
        let package = serving::FILES
            .iter()
            .map(|(name, content)| (format!("{}/{name}", serving::PACKAGE), *content));
        let mut modules: Vec<_> = package.collect();
        modules.push(("predictor.py".into(), self.predictor));
        modules.sort();
        modules
    }

    /// The same bytes for the same content, as those of the source distribution.
    pub(crate) fn build(&self, mtime: u64) -> ZipResult<Vec<u8>> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(6))
            .last_modified_time(date_time(mtime)?)
            .unix_permissions(0o644);
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, content) in self.entries() {
            archive.start_file(path, options)?;
            archive.write_all(content.as_bytes())?;
        }
        Ok(archive.finish()?.into_inner())
    }

    /// The metadata stands last, and in it the record of all the rest.
    fn entries(&self) -> Vec<(String, String)> {
        let info = format!("{}-{}.dist-info", self.name, self.version);
        let mut entries: Vec<_> =
            self.modules().into_iter().map(|(path, content)| (path, content.to_owned())).collect();
        let about = concat!("aip-bundle (", env!("CARGO_PKG_VERSION"), ")");
        let tags = format!(
            "Wheel-Version: 1.0\nGenerator: {about}\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        );
        let modules = format!("{}\npredictor\n", serving::PACKAGE);
        entries.extend([
            (format!("{info}/METADATA"), self.metadata()),
            (format!("{info}/WHEEL"), tags),
            (format!("{info}/top_level.txt"), modules),
        ]);
        let own = format!("{info}/RECORD");
        let record: String = entries.iter().map(|(path, content)| line(path, content)).collect();
        let record = [&record, &own, ",,\n"].concat();
        entries.push((own, record));
        entries
    }

    fn metadata(&self) -> String {
        let mut lines = vec![
            "Metadata-Version: 2.1".into(),
            format!("Name: {}", self.name),
            format!("Version: {}", self.version),
            "Summary: Prediction routine of an MLflow model, and its server".into(),
            format!("Requires-Python: >={}", self.python_version),
        ];
        lines.extend(self.requirements.iter().map(|one| format!("Requires-Dist: {one}")));
        lines.join("\n") + "\n"
    }
}

fn line(path: &str, content: &str) -> String {
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(content));
    format!("{path},sha256={digest},{}\n", content.len())
}

/// As zip archives have it: no zone, two seconds, from 1980 to 2107.
fn date_time(seconds: u64) -> ZipResult<DateTime> {
    const FIRST: u64 = 315_532_800;
    const LAST: u64 = 4_354_819_198;
    let seconds = seconds.clamp(FIRST, LAST);
    let (year, month, day) = date(seconds / 86_400);
    let part = |value: u64| u8::try_from(value).unwrap_or_default();
    let time = seconds % 86_400;
    let year = u16::try_from(year).unwrap_or_default();
    DateTime::from_date_and_time(
        year,
        part(month),
        part(day),
        part(time / 3600),
        part(time / 60 % 60),
        part(time % 60),
    )
    .map_err(Into::into)
}

/// Year, month and day from days since 1970: Howard Hinnant's `civil_from_days`.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn wheel(requirements: &[Requirement]) -> Wheel<'_> {
        Wheel {
            name: "deploy_from_script",
            version: "0.1+iris.v1",
            predictor: "x = 1\n",
            requirements,
            python_version: "3.11",
        }
    }

    #[test]
    fn as_installers_read_it() {
        let requirements = [Requirement::parse("numpy<3; python_version < '3.14'").unwrap()];
        let wheel = wheel(&requirements);
        assert_eq!(wheel.file_name(), "deploy_from_script-0.1+iris.v1-py3-none-any.whl");
        let bytes = wheel.build(315_619_200).unwrap();
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
        let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names.len(), serving::FILES.len() + 5);
        assert!(names.contains(&"mlflow_aip_serving/__main__.py".to_owned()), "{names:?}");
        assert_eq!(names.last().unwrap(), "deploy_from_script-0.1+iris.v1.dist-info/RECORD");
        let mut read = |name: &str| {
            let mut file = archive.by_name(name).unwrap();
            assert_eq!(file.unix_mode(), Some(0o10_0644));
            assert_eq!(file.last_modified().unwrap().to_string(), "1980-01-02 00:00:00");
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            text
        };
        let metadata = read("deploy_from_script-0.1+iris.v1.dist-info/METADATA");
        assert_eq!(
            metadata,
            "Metadata-Version: 2.1\nName: deploy_from_script\nVersion: 0.1+iris.v1\n\
             Summary: Prediction routine of an MLflow model, and its server\n\
             Requires-Python: >=3.11\n\
             Requires-Dist: numpy<3; python_version < \"3.14\"\n"
        );
        let record = read("deploy_from_script-0.1+iris.v1.dist-info/RECORD");
        let predictor = "predictor.py,sha256=nia_NpkRxFwkPGhBR7I_yeHc_PJX0pmhxjIBam_NM_Q,6\n";
        assert!(record.contains(predictor), "{record}");
        assert_eq!(record.lines().count(), names.len());
    }

    #[test]
    fn the_same_twice() {
        assert_eq!(wheel(&[]).build(1).unwrap(), wheel(&[]).build(1).unwrap());
    }

    #[test]
    fn times_that_archives_can_hold() {
        for (seconds, expected) in [
            (0, "1980-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:58"),
            (951_868_800, "2000-03-01 00:00:00"),
            (1_700_000_000, "2023-11-14 22:13:20"),
            (u64::MAX, "2107-12-31 23:59:58"),
        ] {
            assert_eq!(date_time(seconds).unwrap().to_string(), expected);
        }
        assert_eq!(date(0), (1970, 1, 1));
    }
}
