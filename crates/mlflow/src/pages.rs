//! Answers that come in pages.

use std::collections::HashSet;

/// As many as a model may have files, which is already more than anybody has.
pub(crate) const MAX_ENTRIES: usize = 1_000_000;

/// Servers put a hundred and more on a page.
const MAX_PAGES: usize = MAX_ENTRIES / 100;

pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// All that is on the pages; `None` where they have no end.
pub(crate) fn all<T, E>(
    mut page: impl FnMut(Option<&str>) -> Result<Page<T>, E>,
) -> Result<Option<Vec<T>>, E> {
    let mut items = Vec::new();
    let mut token: Option<String> = None;
    let mut seen = HashSet::new();
    while seen.len() < MAX_PAGES && items.len() <= MAX_ENTRIES {
        let Page { items: more, next } = page(token.as_deref())?;
        items.extend(more);
        let Some(next) = next.filter(|next| !next.is_empty()) else { return Ok(Some(items)) };
        if !seen.insert(next.clone()) {
            // A page that comes again would come for ever.
            return Ok(None);
        }
        token = Some(next);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pages of `each` items, the next of which is named by `next`.
    fn read(each: usize, next: impl Fn(usize) -> Option<String>) -> Option<(usize, usize)> {
        let mut pages = 0;
        let items = all(|token| {
            assert_eq!(token.map(str::to_owned), (pages > 0).then(|| next(pages)).flatten());
            pages += 1;
            Ok::<_, ()>(Page { items: vec![(); each], next: next(pages) })
        });
        items.unwrap().map(|items| (pages, items.len()))
    }

    #[test]
    fn pages_end_by_themselves_or_are_ended() {
        assert_eq!(read(2, |_| None), Some((1, 2)));
        assert_eq!(
            read(2, |page| Some(if page < 3 { page.to_string() } else { String::new() })),
            Some((3, 6))
        );
        assert_eq!(read(2, |_| Some("again".into())), None, "a part is not all of it");
        assert_eq!(read(0, |page| Some(page.to_string())), None, "with nothing on them");
        assert_eq!(read(300_000, |page| Some(page.to_string())), None, "with too much");
    }
}
