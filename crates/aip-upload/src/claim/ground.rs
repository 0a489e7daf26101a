//! What lies at a version's place, and whether it may be written over.

use deployment::Kind;
use gcp::storage::ObjectMeta;
use stage::Failure;
use transport::Digest;

use super::MARK;
use crate::plan::{Item, Plan};
use crate::send::There;

/// So many names say what is meant.
const SHOWN: usize = 3;

/// What lies at the place before anything is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nothing, or what an upload that broke off has left.
    Free,
    /// Something whole.
    Taken,
}

/// Refuses to write over, or beside, something else that is whole.
pub(crate) fn check(plan: &Plan, there: &There, overwrite: bool) -> Result<(), Failure> {
    let different = different(plan, there);
    let is_ours = there.get(&name(plan)).is_some_and(|mark| is_own(plan, mark));
    if overwrite || is_ours || different.is_empty() || ground(plan, there) == Ground::Free {
        return Ok(());
    }
    let names = different.iter().take(SHOWN).map(|item| format!("'{}'", plan.relative(&item.name)));
    let mut names = names.collect::<Vec<_>>().join(", ");
    if different.len() > SHOWN {
        names = format!("{names} and {} more", different.len() - SHOWN);
    }
    let flags =
        if plan.extra(there).is_empty() { "--overwrite" } else { "--overwrite --delete-extra" };
    Err(Failure::new(Kind::Refused, format!("'{}' holds another upload", plan.prefix()))
        .http_status(409)
        .because(format!(
            "{} of {} files differ there, or are missing: {names}",
            different.len(),
            plan.items.len()
        ))
        .hint(
            "give this one a place of its own: aip-bundle with another --version-name, or \
             another --route",
        )
        .hint(format!("or put it in the place of what is there, which a version may use: {flags}")))
}

pub(super) fn name(plan: &Plan) -> String {
    format!("{}{MARK}", plan.prefix)
}

/// Its length tells what it was written over, whoever wrote it.
pub(super) fn text(digest: &str, ground: Ground) -> String {
    match ground {
        Ground::Free => format!("aip-upload {digest}\n"),
        Ground::Taken => format!("aip-upload {digest} over another\n"),
    }
}

fn says(mark: &ObjectMeta, digest: &str, ground: Ground) -> bool {
    let text = Digest::of_bytes(text(digest, ground).as_bytes());
    mark.holds(text.size, &text.crc32c)
}

pub(super) fn is_own(plan: &Plan, mark: &ObjectMeta) -> bool {
    let digest = plan.digest();
    [Ground::Free, Ground::Taken].iter().any(|ground| says(mark, &digest, *ground))
}

pub(super) fn ground(plan: &Plan, there: &There) -> Ground {
    let content: Vec<_> = there.values().filter(|object| plan.is_content(&object.name)).collect();
    if content.is_empty() {
        return Ground::Free;
    }
    let Some(mark) = there.get(&name(plan)) else { return Ground::Taken };
    let digest = digest(
        content.iter().map(|one| (&*one.name, one.size, one.crc32c.as_deref().unwrap_or_default())),
    );
    // It stays with what is whole where the bucket does not let go of it.
    let is_whole = says(mark, &digest, Ground::Free);
    let was_free = mark.size == text(&digest, Ground::Free).len() as u64;
    if was_free && !is_whole { Ground::Free } else { Ground::Taken }
}

pub(super) fn different<'a>(plan: &'a Plan, there: &There) -> Vec<&'a Item> {
    plan.items.iter().filter(|item| item.is_in(there).is_none()).collect()
}

/// Of all files with their names, sizes and sums.
pub(crate) fn digest<'a>(files: impl Iterator<Item = (&'a str, u64, &'a str)>) -> String {
    let mut lines: Vec<_> =
        files.map(|(name, size, crc32c)| format!("{name}\0{size}\0{crc32c}\n")).collect();
    lines.sort();
    Digest::of_bytes(lines.concat().as_bytes()).sha256
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::plan::Source;

    const SUMS: [&str; 2] = ["AAAAAA==", "4waSgw=="];

    /// Files of the model, each with one of two contents.
    fn plan(files: &[(&str, usize)]) -> Plan {
        let item = |(name, sum): &(&str, usize)| Item {
            source: Source::File(PathBuf::new()),
            bucket: "b".into(),
            name: format!("r/v1/{name}"),
            size: 1,
            crc32c: SUMS[*sum].into(),
        };
        Plan::of(files.iter().map(item).collect(), "b", "r/v1/")
    }

    fn object(name: &str, size: u64, crc32c: &str) -> (String, ObjectMeta) {
        let (name, crc32c) = (name.to_owned(), Some(crc32c.to_owned()));
        (name.clone(), ObjectMeta { name, size, crc32c, generation: 1, created: None })
    }

    fn there(plan: &Plan) -> There {
        plan.items.iter().map(|item| object(&item.name, item.size, &item.crc32c)).collect()
    }

    fn with_mark(mut there: There, digest: &str, ground: Ground) -> There {
        let text = Digest::of_bytes(text(digest, ground).as_bytes());
        there.extend([object("r/v1/.upload", text.size, &text.crc32c)]);
        there
    }

    fn allowed(plan: &Plan, there: &There) -> bool {
        check(plan, there, true).unwrap();
        check(plan, there, false).is_ok()
    }

    #[test]
    fn what_is_whole_is_not_written_over() {
        let one = plan(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 0)]);
        let other = plan(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 1)]);
        let more = plan(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 0), ("model/c", 0)]);
        assert!(allowed(&one, &There::new()));
        assert!(allowed(&one, &there(&one)), "the same again");
        assert!(!allowed(&other, &there(&one)));
        assert!(!allowed(&more, &there(&one)), "nor is anything put beside");
        let beside = [object("r/v1/notes", 1, ""), object("r/v1/build/x.tar.gz", 1, "")];
        assert!(allowed(&one, &beside.into()), "what is no upload's is in nobody's way");
    }

    #[test]
    fn what_broke_off_is_anybodys() {
        let one = plan(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 0)]);
        let other = plan(&[("p.tar.gz", 1), ("model/a", 1)]);
        let mut half = there(&one);
        half.remove("r/v1/model/b");
        let marked = |ground| with_mark(half.clone(), &one.digest(), ground);
        assert!(allowed(&one, &marked(Ground::Free)) && allowed(&other, &marked(Ground::Free)));
        assert!(!allowed(&other, &half), "without the mark, it was whole once");
        assert!(allowed(&one, &marked(Ground::Taken)), "its own goes on");
        assert!(!allowed(&other, &marked(Ground::Taken)), "it began over something whole");
        let whole = with_mark(there(&one), &one.digest(), Ground::Free);
        assert!(!allowed(&other, &whole), "whole, though the mark could not be removed");
    }

    #[test]
    fn the_refusal_names_what_differs() {
        let names = ["model/a", "model/b", "model/c", "model/d"];
        let [one, other] = [0, 1].map(|sum| plan(&names.map(|name| (name, sum))));
        let failure = check(&other, &there(&one), false).unwrap_err();
        assert!(failure.is(Kind::Refused));
        let text = format!("{failure:?}");
        assert!(text.contains("4 of 4 files differ there, or are missing: 'model/a', 'model/b', 'model/c' and 1 more"), "{text}");
    }
}
