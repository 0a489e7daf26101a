//! What lies at a version's place, and whether it may be written over.

use deployment::Kind;
use stage::Failure;

use super::Mark;
use crate::item::Item;
use crate::plan::Plan;
use crate::there::There;

/// So many names say what is meant.
const SHOWN: usize = 3;

/// Refuses to write over, or beside, what another upload has written or writes.
pub(crate) fn check(plan: &Plan, there: &There, overwrite: bool) -> Result<(), Failure> {
    let place = plan.prefix();
    let mark = Mark::of(plan);
    let failure = match mark.seen(there) {
        _ if overwrite => return Ok(()),
        Some(seen) if mark.is(seen) => return Ok(()),
        Some(_) => Failure::new(Kind::Refused, format!("another upload to '{place}' is under way"))
            .because("or has broken off: its mark is there"),
        None if !there.iter().any(|object| plan.is_content(&object.name)) => return Ok(()),
        // What there is besides is removed on request alone.
        None if different(plan, there).next().is_none() => return Ok(()),
        None => Failure::new(Kind::Refused, format!("'{place}' holds another upload"))
            .because(what_differs(plan, there)),
    };
    let flags =
        if plan.extra(there).is_empty() { "--overwrite" } else { "--overwrite --delete-extra" };
    Err(failure
        .http_status(409)
        .hint(
            "give this one a place of its own: aip-bundle with another --version-name, or \
             another --route",
        )
        .hint(format!("or put it in the place of what is there, which a version may use: {flags}")))
}

/// Nothing is to be written, and nothing to be removed.
pub(super) fn is_done(plan: &Plan, there: &There) -> bool {
    different(plan, there).next().is_none() && plan.extra(there).is_empty()
}

fn different<'p>(plan: &'p Plan, there: &There) -> impl Iterator<Item = &'p Item<'p>> {
    plan.items.iter().filter(|item| item.is_in(there).is_none())
}

fn what_differs(plan: &Plan, there: &There) -> String {
    let different: Vec<_> = different(plan, there).collect();
    let shown = different.iter().take(SHOWN);
    let names: Vec<_> = shown.map(|item| format!("'{}'", plan.relative(&item.name()))).collect();
    let more = match different.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} of {} files differ there, or are missing: {}{more}",
        different.len(),
        plan.items.len(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use deployment::File;
    use gcp::storage::{Insert, ObjectMeta};

    use super::*;

    const SUMS: [&str; 2] = ["AAAAAA==", "4waSgw=="];

    /// Files of the model, each with one of two contents.
    fn files(files: &[(&str, usize)]) -> Vec<File> {
        let file = |(path, sum): &(&str, usize)| File {
            path: (*path).into(),
            size: 1,
            crc32c: SUMS[*sum].into(),
            ..File::default()
        };
        files.iter().map(file).collect()
    }

    fn plan(files: &[File]) -> Plan<'_> {
        Plan::of(files, "b", "r/v1/")
    }

    fn object(name: &str, size: u64, crc32c: &str) -> ObjectMeta {
        let (name, crc32c) = (name.to_owned(), crc32c.parse().ok());
        ObjectMeta { name, size, crc32c, generation: 1, created: None }
    }

    fn objects(plan: &Plan) -> Vec<ObjectMeta> {
        plan.items.iter().map(|item| object(&item.name(), item.size(), item.crc32c())).collect()
    }

    fn there(plan: &Plan) -> There {
        objects(plan).into()
    }

    /// With the mark of an upload of this plan.
    fn marked(mut there: Vec<ObjectMeta>, plan: &Plan) -> There {
        let mark = Mark::of(plan);
        let Insert { size, crc32c, .. } = mark.insert(0);
        there.push(object("r/v1/.upload", size, crc32c));
        there.into()
    }

    fn allowed(plan: &Plan, there: &There) -> bool {
        check(plan, there, true).unwrap();
        check(plan, there, false).is_ok()
    }

    #[test]
    fn what_is_whole_is_not_written_over() {
        let one = files(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 0)]);
        let other = files(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 1)]);
        let more = files(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 0), ("model/c", 0)]);
        let [one, other, more] = [&one, &other, &more].map(|files| plan(files));
        assert!(allowed(&one, &There::default()));
        assert!(allowed(&one, &there(&one)), "the same again");
        assert!(!allowed(&other, &there(&one)));
        assert!(!allowed(&more, &there(&one)), "nor is anything put beside");
        assert!(allowed(&one, &there(&more)), "for that is what --delete-extra is for");
        let beside = vec![object("r/v1/notes", 1, ""), object("r/v1/build/x.tar.gz", 1, "")];
        assert!(allowed(&one, &beside.into()), "what is no upload's is in nobody's way");
    }

    #[test]
    fn who_began_goes_on() {
        let one = files(&[("p.tar.gz", 0), ("model/a", 0), ("model/b", 0)]);
        let other = files(&[("p.tar.gz", 1), ("model/a", 1)]);
        let [one, other] = [&one, &other].map(|files| plan(files));
        let mut half = objects(&one);
        half.retain(|object| object.name != "r/v1/model/b");
        assert!(allowed(&one, &marked(half.clone(), &one)));
        assert!(!allowed(&other, &marked(half.clone(), &one)), "it may be writing yet");
        assert!(!allowed(&other, &half.into()), "without the mark, it was whole once");
        assert!(!allowed(&one, &marked(objects(&one), &other)), "whole, and about to be replaced");
    }

    #[test]
    fn the_refusal_names_what_differs() {
        let names = ["model/a", "model/b", "model/c", "model/d"];
        let [one, other] = [0, 1].map(|sum| files(&names.map(|name| (name, sum))));
        let [one, other] = [&one, &other].map(|files| plan(files));
        let failure = check(&other, &there(&one), false).unwrap_err();
        assert!(failure.is(Kind::Refused));
        let text = format!("{failure:?}");
        assert!(text.contains("4 of 4 files differ there, or are missing: 'model/a', 'model/b', 'model/c' and 1 more"), "{text}");
    }
}
