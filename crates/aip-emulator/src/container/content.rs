//! What is in a layer's blob: an archive, compressed or not.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

/// Hashes what is read.
pub(super) struct Content {
    reader: Box<dyn Read>,
    hash: Sha256,
}

impl Content {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { reader: open(path)?, hash: Sha256::new() })
    }

    /// The digest of all there is: also what follows the archive's end.
    pub(super) fn finish(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(format!("sha256:{}", hex(&self.hash.finalize())))
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

fn open(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(256 * 1024, File::open(path)?);
    match file.fill_buf()? {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(file))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Err(io::Error::other("a layer is compressed with zstd, which the emulator cannot read"))
        }
        _ => Ok(Box::new(file)),
    }
}

pub(super) fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
