//! A file of this machine, copied by the kernel and hashed at the same time.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{Receiver, channel};

use transport::{Digest, Hasher, pace};

/// What is copied before it is hashed, while the next is copied.
const PIECE: u64 = 4 * 1024 * 1024;
const BUFFER: usize = 64 * 1024;

/// Copies what is left of `from` to the beginning of `to`, and gives the digest
/// of what lies in `to` then. `advance` is told of bytes that are hashed.
pub(crate) fn copy(from: &File, to: &File, advance: &dyn Fn(u64)) -> io::Result<Digest> {
    let (tell, counts) = channel();
    std::thread::scope(|scope| {
        let copying = scope.spawn(move || {
            loop {
                // The kernel's own copy where the two file systems allow it.
                let (mut piece, mut end) = (from.take(PIECE), to);
                let count = io::copy(&mut piece, &mut end)?;
                if count == 0 || tell.send(count).is_err() {
                    return Ok::<_, io::Error>(());
                }
                pace(usize::try_from(count).unwrap_or(usize::MAX));
            }
        });
        let digest = hash(to, counts, advance);
        let copied = copying.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        copied.and(digest)
    })
}

fn hash(file: &File, counts: Receiver<u64>, advance: &dyn Fn(u64)) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; BUFFER];
    let (mut at, mut end) = (0, 0);
    for count in counts {
        end += count;
        while at < end {
            let most = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let count = file.read_at(&mut buffer[..most], at)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            hasher.update(&buffer[..count]);
            at += count as u64;
            advance(count as u64);
        }
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_lies_there_is_what_was_hashed() {
        let temp = tempfile::tempdir().unwrap();
        for size in [0, 1, PIECE, 2 * PIECE + 7] {
            let byte = |at: u64| u8::try_from(at * at % 251).unwrap();
            let content: Vec<_> = (0..size).map(byte).collect();
            let (from, to) = (temp.path().join("from"), temp.path().join("to"));
            std::fs::write(&from, &content).unwrap();
            let open = File::options().read(true).write(true).create(true).truncate(true).open(&to);
            let told = Cell::new(0);
            let advance = |count| told.set(told.get() + count);
            let digest = copy(&File::open(&from).unwrap(), &open.unwrap(), &advance).unwrap();
            assert_eq!(digest, Digest::of_bytes(&content));
            assert!(std::fs::read(&to).unwrap() == content);
            assert_eq!(told.get(), size);
        }
    }
}
