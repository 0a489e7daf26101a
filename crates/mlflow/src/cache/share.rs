//! One content under two names.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Without copying where that can be. Where the file system cannot share blocks
/// between files, both names are one file: it is made read-only, for who wrote
/// to one would write to both.
pub(super) fn share(from: &Path, to: &Path) -> io::Result<()> {
    if clone(from, to).is_ok() {
        return Ok(());
    }
    match fs::hard_link(from, to) {
        Ok(()) => fs::set_permissions(to, Permissions::from_mode(0o444)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        // Another file system, or one without links, or too many of them.
        Err(_) => {
            fs::copy(from, to)?;
            fs::set_permissions(to, Permissions::from_mode(0o644))
        }
    }
}

#[cfg(target_os = "linux")]
fn clone(from: &Path, to: &Path) -> io::Result<()> {
    use std::fs::File;

    let cloned = File::create_new(to)
        .and_then(|to| rustix::fs::ioctl_ficlone(to, File::open(from)?).map_err(io::Error::from));
    if cloned.is_err() {
        let _ = fs::remove_file(to);
    }
    cloned
}

#[cfg(not(target_os = "linux"))]
fn clone(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
