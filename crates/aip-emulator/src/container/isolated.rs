//! A container in a root of its own, by bubblewrap: its image's files read
//! only, its own processes, this machine's network.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::sync::OnceCell;

use super::spec::Spec;
use super::user::User;
use crate::runtime::{on_path, run};

/// What a container may not see of this machine.
const APART: &[&str] = &["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"];

/// Where it may write; what lies there in the image is hidden.
const WRITABLE: &[&str] = &["/tmp", "/var/tmp", "/run"];

/// As this machine has them: without them no name is found.
const NAMES: &[&str] = &["/etc/hosts", "/etc/resolv.conf"];

/// bubblewrap, once it has been seen to work.
#[derive(Debug, Default)]
pub(super) struct Bubblewrap(OnceCell<Option<PathBuf>>);

impl Bubblewrap {
    /// It may be there and not be allowed to do anything.
    pub(super) async fn find(&self) -> Option<PathBuf> {
        let found = self.0.get_or_init(async || {
            let program = on_path("bwrap").into_iter().next()?;
            let mut trial = Command::new(&program);
            trial.args(APART).args(["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]);
            trial.args(["--", "true"]);
            run(trial).await.ok().map(|_| program)
        });
        found.await.clone()
    }
}

/// bubblewrap's arguments. They go through a file: what is in the environment
/// of a container may be a secret, and everybody can see a command line.
pub(super) fn write_arguments(file: &Path, spec: &Spec, root: &Path, user: User) -> io::Result<()> {
    let mut words: Vec<String> = APART.iter().map(|&word| word.to_owned()).collect();
    let mut push = |all: &[&str]| words.extend(all.iter().map(|&word| word.to_owned()));
    push(&["--die-with-parent", "--as-pid-1", "--info-fd", "4"]);
    push(&["--uid", &user.uid.to_string(), "--gid", &user.gid.to_string()]);
    push(&["--ro-bind", &root.to_string_lossy(), "/", "--proc", "/proc", "--dev", "/dev"]);
    for dir in WRITABLE {
        push(&["--tmpfs", dir]);
    }
    for name in NAMES {
        push(&["--ro-bind-try", name, name]);
    }
    push(&["--chdir", if spec.working_dir.is_empty() { "/" } else { &spec.working_dir }]);
    push(&["--clearenv"]);
    for (name, value) in spec.env.iter() {
        push(&["--setenv", name, value]);
    }
    let mut file = fs::File::create(file)?;
    for word in &words {
        file.write_all(word.as_bytes())?;
        file.write_all(&[0])?;
    }
    Ok(())
}
