//! What of a command line others may see: everything but passwords.

use millstream_command::table::{CommandId, CommandSpec};

const REDACTED: &[u8] = b"(redacted)";

/// The arguments, with [`REDACTED`] in place of each that is secret.
pub(crate) fn shown<'a>(spec: &CommandSpec, args: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut shown = args.to_vec();
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
    shown
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
        ] {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let spec = table::resolve(&args).expect("a command");
            assert_eq!(shown(spec, &args).join(&b' '), expected.as_bytes(), "{line}");
        }
    }
}
