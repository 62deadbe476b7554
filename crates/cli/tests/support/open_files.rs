//! The number of files that a test and the servers it starts may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process have so many files; says so if it may not.
pub(crate) fn allow_files(count: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    // Never lowered: other tests of this process may need more.
    if limit.current.is_none_or(|current| current >= count) {
        return true;
    }
    if limit.maximum.is_some_and(|maximum| maximum < count) {
        println!("skipped: {count} open files are not allowed here");
        let is_required = std::env::var("MILLSTREAM_REQUIRE_PEERS").is_ok_and(|it| it == "1");
        assert!(!is_required, "{count} open files are needed");
        return false;
    }
    // As many as it may: other tests run beside this one in the same process.
    let current = limit.maximum.or(Some(count));
    setrlimit(Resource::Nofile, Rlimit { current, ..limit }).expect("raise it");
    true
}
