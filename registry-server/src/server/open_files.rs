//! How many clients may be connected at once: each connection is one of the files that the process may have open, and
//! whoever takes the last of them leaves none for the database. Knows nothing of HTTP.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use super::admission::WAITING_MAX;

/// What a worker takes: four for what its runtime waits with, one for a connection that ends while the next is
/// accepted, two for a scrape of `/metrics`, which reads `/proc`, and one where its part of the clients that wait for a
/// place is rounded up.
const OF_A_WORKER: rlim_t = 8;

/// What the rest of the server opens once this is counted: the listener's own runtime (3), and what the store has not
/// opened yet of fifteen connections to PostgreSQL, with a file each while a name or a certificate is looked up, or of
/// the readers of SQLite (8 files), with those of a checkpoint or a sort; and the clients that wait for a place.
const OF_THE_REST: rlim_t = 28 + WAITING_MAX as rlim_t;

/// What is taken for open where the system does not list it.
const OPEN_ASSUMED: usize = 24;

/// The connections that there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places {
    /// The part of a worker; at least one.
    pub(super) each: usize,
    /// The parts of all workers together.
    pub(super) all: usize,
}

impl Places {
    fn of(each: usize, workers: usize) -> Self {
        Self { each, all: each.saturating_mul(workers) }
    }
}

/// Lets the process open what so many connections take, and says how many there is room for; if for less, it warns.
pub(super) fn make_room(connections: usize, workers: usize) -> Places {
    let wanted = Places::of(connections.div_ceil(workers), workers);
    let others = others(open_now(), workers);
    let needed = number(wanted.all).saturating_add(others);
    let (limit, failure) = raised_to(needed);
    let places = fitting(wanted, workers, limit, others);
    if places != wanted {
        warn(connections, places, &Shortage { limit, others, needed, failure });
    }
    places
}

/// Why there is no room.
struct Shortage {
    /// What the process may open, with what is open.
    limit: rlim_t,
    /// What is no connection of a client's.
    others: rlim_t,
    /// What it would have to be allowed.
    needed: rlim_t,
    /// Why the limit could not be raised as far as it may be.
    failure: Option<Errno>,
}

fn warn(connections: usize, places: Places, shortage: &Shortage) {
    let Shortage { limit, others, needed, failure } = shortage;
    let failure = failure.map(|error| format!(" (raising it failed: {error})")).unwrap_or_default();
    let fewer = if number(places.all).saturating_add(*others) <= *limit {
        format!(", or set `limits.connections` to {}", places.all)
    } else {
        "; there are too few for the database, too".to_owned()
    };
    tracing::warn!(
        "the limit of open files of this process is {limit}{failure}, and {others} are needed beside connections: at \
         most {} clients are connected at once, not the {connections} of `limits.connections`, and further ones are \
         refused; raise it to {needed} (`LimitNOFILE={needed}` in the unit of systemd, `ulimit -n \
         {needed}` in a shell, `--ulimit nofile={needed}` of Docker){fewer}",
        places.all
    );
}

fn others(open: usize, workers: usize) -> rlim_t {
    number(open).saturating_add(number(workers).saturating_mul(OF_A_WORKER)).saturating_add(OF_THE_REST)
}

/// As many of the places as fit into the limit beside `others`, the same for each worker.
fn fitting(wanted: Places, workers: usize, limit: rlim_t, others: rlim_t) -> Places {
    let room = usize::try_from(limit.saturating_sub(others)).unwrap_or(usize::MAX);
    if wanted.all <= room {
        return wanted;
    }
    Places::of((room / workers).max(1), workers)
}

/// Raises how many files the process may have open, as far as the system lets it; what holds then.
fn raised_to(needed: rlim_t) -> (rlim_t, Option<Errno>) {
    let (soft, hard) = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok(limits) => limits,
        Err(error) => {
            tracing::debug!(%error, "the limit of open files is not known");
            return (needed, None);
        }
    };
    let raised = needed.min(hard);
    if raised <= soft {
        return (soft, None);
    }
    match setrlimit(Resource::RLIMIT_NOFILE, raised, hard) {
        Ok(()) => (raised, None),
        Err(error) => (soft, Some(error)),
    }
}

/// The files that are open, inherited ones among them.
fn open_now() -> usize {
    std::fs::read_dir("/dev/fd").map_or(OPEN_ASSUMED, Iterator::count)
}

fn number(count: usize) -> rlim_t {
    rlim_t::try_from(count).unwrap_or(rlim_t::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_take_what_others_leave_and_each_worker_one_at_least() {
        for (wanted, workers, limit, others, expected) in [
            ((5_000, 10_000), 2, 10_050, 50, (5_000, 10_000)),
            ((5_000, 10_000), 2, rlim_t::MAX, 50, (5_000, 10_000)),
            ((5_000, 10_000), 2, 10_049, 50, (4_999, 9_998)),
            ((5_000, 10_000), 2, 65, 50, (7, 14)),
            ((5_000, 10_000), 2, 52, 50, (1, 2)),
            ((5_000, 10_000), 2, 51, 50, (1, 2)),
            ((5_000, 10_000), 2, 20, 50, (1, 2)),
            ((3, 9), 3, 1_024, 1_014, (3, 9)),
            ((3, 9), 3, 1_024, 1_016, (2, 6)),
        ] {
            let [wanted, expected] = [wanted, expected].map(|(each, all)| Places { each, all });
            assert_eq!(fitting(wanted, workers, limit, others), expected, "{wanted:?} {limit} {others}");
        }
    }

    #[test]
    fn what_is_open_is_counted() {
        let before = open_now();
        let files: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();

        // Tests beside this one open and close some.
        assert!(open_now() + 50 > before + files.len(), "{before}");
    }
}
