//! Names of consumers that stay the same over restarts, so that a worker finds what it had, and
//! groups do not fill up with names that never come back.

/// This machine's name, and a number for each worker on it.
pub(super) fn of_slot(slot: u32) -> String {
    let host = rustix::system::uname();
    format!("{}-{slot}", host.nodename().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::of_slot;

    #[test]
    fn slots_of_a_machine_have_names_that_stay() {
        assert_eq!(of_slot(3), of_slot(3));
        assert_ne!(of_slot(3), of_slot(4));
        assert!(of_slot(7).ends_with("-7") && of_slot(7).len() > 2);
    }
}
