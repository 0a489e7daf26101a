//! Projects have an id and a number; the emulator derives one from the other.

use sha2::{Digest, Sha256};

/// A number that stays the same for a project, of the length that Google's
/// have. A project that is named by its number is that project.
pub(crate) fn number(project: &str) -> String {
    if project.bytes().all(|byte| byte.is_ascii_digit()) {
        return project.to_owned();
    }
    let hash = Sha256::digest(project);
    let start = hash.iter().take(6).fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{}", 100_000_000_000 + start % 900_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_twelve_digits_and_stands_for_itself() {
        let of_acme = number("acme");
        assert_eq!(of_acme.len(), 12);
        assert_eq!(number(&of_acme), of_acme);
        assert_ne!(of_acme, number("acme2"));
    }
}
