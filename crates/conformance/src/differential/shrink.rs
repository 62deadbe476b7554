//! The shortest sequence that still fails, as far as dropping single commands leads.

use super::generate::Command;

/// Enough for a sequence of 100 commands to lose them all twice over.
const ATTEMPTS_MAX: usize = 400;

/// Drops what is not needed for `fails` to stay true.
pub(super) fn shortest(
    mut commands: Vec<Command>,
    fails: impl Fn(&[Command]) -> bool,
) -> Vec<Command> {
    let mut attempts = 0;
    loop {
        let before = commands.len();
        // From the end: what comes after the fault goes first.
        for at in (0..commands.len()).rev() {
            if attempts == ATTEMPTS_MAX {
                return commands;
            }
            attempts += 1;
            let dropped = commands.remove(at);
            if !fails(&commands) {
                commands.insert(at, dropped);
            }
        }
        if commands.len() == before {
            return commands;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::shortest;

    #[test]
    fn only_what_is_needed_stays() {
        let commands = (0..50).map(|n: u32| vec![n.to_string()]).collect();
        let has = |list: &[Vec<String>], n: &str| list.iter().any(|command| command[0] == n);
        let rest = shortest(commands, |list| has(list, "7") && has(list, "31"));
        assert_eq!(rest, [["7"], ["31"]]);
    }
}
