//! HELLO, AUTH, RESET, SELECT: who is at the other end, and how to talk to it.

use millstream_acl::DEFAULT_USER;
use millstream_command::Reply;
use millstream_command::integer::{NOT_AN_INTEGER, parse_i64};
use millstream_engine::DATABASE_COUNT;
use millstream_resp::Protocol;

use crate::client_command;
use crate::session::Session;
use crate::shared::REDIS_VERSION;

const WRONGPASS: &str = "WRONGPASS invalid username-password pair or user is disabled.";
const HELLO_NOAUTH: &str = "NOAUTH HELLO must be called with the client already authenticated, \
otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and \
select the RESP protocol version at the same time";
const AUTH_WITHOUT_PASSWORD: &str = "ERR AUTH <password> called without any password configured \
for the default user. Are you sure your configuration is correct?";

/// HELLO [version [AUTH user password] [SETNAME name]]
pub(crate) fn hello(session: &mut Session, args: &[&[u8]]) -> Reply {
    match say_hello(session, args) {
        Ok(()) => greeting(session),
        Err(reply) => reply,
    }
}

fn say_hello(session: &mut Session, args: &[&[u8]]) -> Result<(), Reply> {
    let protocol = match args.get(1) {
        None => session.protocol,
        Some(text) => {
            let version = parse_i64(text)
                .ok_or(Reply::error("ERR Protocol version is not an integer or out of range"))?;
            Protocol::from_version(version)
                .ok_or(Reply::error("NOPROTO unsupported protocol version"))?
        }
    };
    let mut credentials = None;
    let mut name = None;
    let mut rest = args.get(2..).unwrap_or_default();
    loop {
        rest = match rest {
            [] => break,
            [word, user, password, rest @ ..] if word.eq_ignore_ascii_case(b"AUTH") => {
                credentials = Some((*user, *password));
                rest
            }
            [word, given, rest @ ..] if word.eq_ignore_ascii_case(b"SETNAME") => {
                client_command::check_name(given)?;
                name = Some(*given);
                rest
            }
            [word, ..] => {
                let text = [b"ERR Syntax error in HELLO option '", *word, b"'"].concat();
                return Err(Reply::ErrorBytes(text));
            }
        };
    }
    if let Some((user, password)) = credentials {
        authenticate(session, args[0], user, password)?;
    } else if !session.is_authenticated() {
        return Err(Reply::error(HELLO_NOAUTH));
    }
    if let Some(name) = name {
        session.update_facts(|facts| facts.name = name.to_vec());
    }
    if protocol != session.protocol {
        session.set_protocol(protocol);
    }
    Ok(())
}

fn greeting(session: &Session) -> Reply {
    Reply::Map(vec![
        (Reply::Text("server"), Reply::Text("redis")),
        (Reply::Text("version"), Reply::Text(REDIS_VERSION)),
        (Reply::Text("proto"), Reply::Int(session.protocol.version().into())),
        (Reply::Text("id"), Reply::number(session.client.id)),
        (Reply::Text("mode"), Reply::Text("standalone")),
        (Reply::Text("role"), Reply::Text("master")),
        (Reply::Text("modules"), Reply::Array(Vec::new())),
    ])
}

/// AUTH [user] password
pub(crate) fn auth(session: &mut Session, args: &[&[u8]]) -> Reply {
    let outcome = match args[1..] {
        [_] if session.shared.acl.default_user().has_nopass() => {
            Err(Reply::error(AUTH_WITHOUT_PASSWORD))
        }
        [password] => authenticate(session, args[0], DEFAULT_USER, password),
        [user, password] => authenticate(session, args[0], user, password),
        _ => Err(Reply::error("ERR syntax error")),
    };
    outcome.map_or_else(|reply| reply, |()| Reply::OK)
}

fn authenticate(
    session: &mut Session,
    command: &[u8],
    user: &[u8],
    password: &[u8],
) -> Result<(), Reply> {
    match session.shared.acl.authenticate(user, password) {
        Some(user) => {
            session.log_in(user);
            Ok(())
        }
        None => {
            session.note_wrong_login(command, user);
            Err(Reply::error(WRONGPASS))
        }
    }
}

/// RESET
pub(crate) fn reset(session: &mut Session) -> Reply {
    session.discard();
    session.end_monitoring();
    session.backup = None;
    session.end_silence();
    session.set_protocol(Protocol::Resp2);
    session.set_db(0);
    session.leaves_no_trace = false;
    session.log_out();
    session.update_facts(|facts| {
        facts.name.clear();
        facts.no_evict = false;
        facts.no_touch = false;
    });
    Reply::Simple("RESET".into())
}

/// SELECT index
pub(crate) fn select(session: &mut Session, args: &[&[u8]]) -> Reply {
    let Some(index) = parse_i64(args[1]) else { return Reply::error(NOT_AN_INTEGER) };
    match u8::try_from(index) {
        Ok(db) if usize::from(db) < usize::from(DATABASE_COUNT) => {
            session.set_db(db);
            Reply::OK
        }
        _ => Reply::error("ERR DB index is out of range"),
    }
}
