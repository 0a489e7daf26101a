//! Many files at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Does `work` on each item with at most `workers` threads, in the order of the
/// items, and gives the results in that order. The first error ends it: what
/// has not begun is not begun.
pub fn for_each<I, T, E>(
    items: Vec<I>,
    workers: usize,
    work: impl Fn(I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E>
where
    I: Send,
    T: Send,
    E: Send,
{
    let mut slots: Vec<Option<T>> = Vec::new();
    slots.resize_with(items.len(), || None);
    let workers = workers.clamp(1, items.len().max(1));
    let jobs = Mutex::new(items.into_iter().zip(slots.iter_mut()));
    let failure = Mutex::new(None);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Separate statement: the lock must not be held while working.
                    let job = lock(&jobs).next();
                    let Some((item, slot)) = job else { return };
                    match work(item) {
                        Ok(result) => *slot = Some(result),
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            lock(&failure).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    drop(jobs);
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error),
        // In place: there may be many.
        None => Ok(slots.into_iter().map_while(|slot| slot).collect()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let doubled = for_each((0..100).collect(), 7, |n| Ok::<_, ()>(n * 2)).unwrap();
        assert_eq!(doubled, (0..100).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(for_each(Vec::<u8>::new(), 4, Ok::<_, ()>).unwrap(), Vec::<u8>::new());
    }

    #[test]
    fn the_first_error_stops_the_rest() {
        let begun = std::sync::atomic::AtomicUsize::new(0);
        let result = for_each((0..1000).collect(), 1, |n| {
            begun.fetch_add(1, Ordering::Relaxed);
            if n == 3 { Err(n) } else { Ok(()) }
        });
        assert_eq!((result.unwrap_err(), begun.into_inner()), (3, 4));
    }
}
