//! What of a command line others may see: everything but passwords.

use millstream_command::table::{self, CommandId, CommandSpec, LookupError};

const REDACTED: &[u8] = b"(redacted)";
/// ACL DRYRUN name: then a command line begins.
const DRY_RUN_FROM: usize = 3;

/// The arguments, with [`REDACTED`] in place of each that is secret.
pub(crate) fn shown<'a>(spec: &CommandSpec, args: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut shown = args.to_vec();
    let (mut spec, mut from) = (spec, 0);
    // A command line within one may hold another: there is no depth that a stack would bear.
    while spec.id == CommandId::AclDryrun && args.len() > from + DRY_RUN_FROM {
        from += DRY_RUN_FROM;
        spec = match table::resolve(&args[from..]) {
            Ok(spec) | Err(LookupError::WrongArity(spec)) => spec,
            // Whoever mistypes AUTH still types a password.
            Err(_) => {
                shown[from + 1..].fill(REDACTED);
                return shown;
            }
        };
    }
    hide_secrets(spec, &args[from..], &mut shown[from..]);
    shown
}

/// Of one command line.
fn hide_secrets(spec: &CommandSpec, args: &[&[u8]], shown: &mut [&[u8]]) {
    let mut hide = |at: usize| {
        if let Some(argument) = shown.get_mut(at) {
            *argument = REDACTED;
        }
    };
    match spec.id {
        CommandId::Auth => (1..args.len()).for_each(hide),
        CommandId::Hello => {
            let is_auth = |word: &&[u8]| word.eq_ignore_ascii_case(b"AUTH");
            // A password that reads AUTH hides what follows it, too, which does no harm.
            for at in (2..args.len()).filter(|at| is_auth(&args[*at])) {
                hide(at + 1);
                hide(at + 2);
            }
        }
        // Rules hold passwords, and who is meant is nobody's business either.
        CommandId::AclSetuser => (2..args.len()).for_each(hide),
        CommandId::ConfigSet => {
            let is_secret = |name: &[u8]| {
                let secrets: [&[u8]; 2] = [b"requirepass", b"tls-key-file-pass"];
                secrets.iter().any(|secret| name.eq_ignore_ascii_case(secret))
            };
            (2..args.len())
                .step_by(2)
                .filter(|at| is_secret(args[*at]))
                .for_each(|at| hide(at + 1));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use millstream_command::table;

    use super::*;

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        for (line, expected) in [
            ("AUTH pw", "AUTH (redacted)"),
            ("auth user pw", "auth (redacted) (redacted)"),
            ("HELLO 3 auth u p SETNAME n", "HELLO 3 auth (redacted) (redacted) SETNAME n"),
            ("HELLO 2 SETNAME n AUTH u p", "HELLO 2 SETNAME n AUTH (redacted) (redacted)"),
            ("HELLO 3 AUTH u", "HELLO 3 AUTH (redacted)"),
            (
                "CONFIG SET maxclients 5 RequirePass x",
                "CONFIG SET maxclients 5 RequirePass (redacted)",
            ),
            ("CONFIG SET tls-key-file-pass x", "CONFIG SET tls-key-file-pass (redacted)"),
            ("CONFIG GET requirepass x", "CONFIG GET requirepass x"),
            ("acl setuser u on >pw", "acl setuser (redacted) (redacted) (redacted)"),
            ("ACL GETUSER u", "ACL GETUSER u"),
            ("ECHO auth", "ECHO auth"),
            ("acl dryrun u auth v pw", "acl dryrun u auth (redacted) (redacted)"),
            ("ACL DRYRUN u HELLO 3 AUTH v pw", "ACL DRYRUN u HELLO 3 AUTH (redacted) (redacted)"),
            ("ACL DRYRUN u ACL SETUSER x >pw", "ACL DRYRUN u ACL SETUSER (redacted) (redacted)"),
            ("ACL DRYRUN u ACL DRYRUN v AUTH pw", "ACL DRYRUN u ACL DRYRUN v AUTH (redacted)"),
            ("ACL DRYRUN u AHUT pw", "ACL DRYRUN u AHUT (redacted)"),
            ("ACL DRYRUN u GET k", "ACL DRYRUN u GET k"),
        ] {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let spec = table::resolve(&args).expect("a command");
            assert_eq!(shown(spec, &args).join(&b' '), expected.as_bytes(), "{line}");
        }
    }

    #[test]
    fn a_dry_run_of_dry_runs_is_followed_to_its_end() {
        let mut args: Vec<&[u8]> = [b"ACL" as &[u8], b"DRYRUN", b"u"].repeat(100_000);
        args.extend([b"AUTH" as &[u8], b"pw"]);
        let spec = table::resolve(&args).expect("a command");
        assert_eq!(shown(spec, &args).last(), Some(&REDACTED));
    }
}
