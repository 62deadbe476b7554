//! ACL: users and their rules, as commands.

use std::convert::Infallible;
use std::sync::Arc;

use millstream_acl::{Categories, DEFAULT_USER, Denial, Request, SelectorText, User, Users};
use millstream_command::integer::{NOT_AN_INTEGER, parse_i64};
use millstream_command::{Reply, table};
use millstream_runtime::since_1970;

use crate::acl::{LogEntry, read_users};
use crate::mailbox::KILLED;
use crate::session::{Data, Session};
use crate::tls_command;

const NO_FILE: &str = "ERR This server is not configured to use an ACL file: start it with \
--aclfile, which may be an empty file";
const FILE_IN_EXEC: &str = "ERR not allowed inside a transaction: nobody else could do anything \
while the file is read or written";
const BITS_MAX: i64 = 4096;
const BITS: &str = "ERR ACL GENPASS argument must be the number of bits for the output password, a \
positive number up to 4096";

/// ACL CAT [category]
pub(crate) fn cat(args: &[&[u8]]) -> Reply {
    match args[2..] {
        [] => Reply::Array(Categories::all().map(|name| Reply::Text(name.word)).collect()),
        [word] => match Categories::find(word) {
            Some(name) => {
                Reply::Array(name.commands().map(|spec| Reply::Text(spec.name)).collect())
            }
            None => Reply::ErrorBytes([b"ERR Unknown category '", word, b"'"].concat()),
        },
        _ => wrong_number(args[1]),
    }
}

fn wrong_number(word: &[u8]) -> Reply {
    let head = b"ERR unknown subcommand or wrong number of arguments for '";
    Reply::ErrorBytes([head, word, b"'. Try ACL HELP."].concat())
}

/// ACL SETUSER name [rule ...]
pub(crate) fn set_user(session: &mut Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    let name = args[2];
    if !Users::is_name(name) {
        return Reply::error("ERR Usernames can't contain spaces or null characters");
    }
    let shared = &session.shared;
    let changed = shared.acl.change(|users| {
        let before = users.get(name).map_or_else(|| User::new(name), |user| (**user).clone());
        let user = before
            .changed(&args[3..])
            .map_err(|error| error.text("Error in ACL SETUSER modifier"))?;
        if name == DEFAULT_USER {
            tls_command::refuse_open_default(shared, &user).map_err(String::into_bytes)?;
        }
        users.put(user);
        Ok::<_, Vec<u8>>(())
    });
    match changed {
        Ok(()) => {
            tracing::info!("ACL SETUSER {} by {}", quoted(name), session.client.address);
            settle(session, data);
            Reply::OK
        }
        Err(why) => Reply::ErrorBytes([&b"ERR "[..], &why].concat()),
    }
}

/// After a change of users: this session and all that wait are judged by the new rules.
pub(crate) fn settle(session: &mut Session, data: &mut Data<'_, '_>) {
    session.refresh_user();
    data.with(|txn| txn.end_forbidden_waits());
    close_monitors(session);
}

/// Closes connections that watch others and may not any more.
fn close_monitors(session: &mut Session) {
    let spec = table::find(b"monitor").expect("it is a command");
    for client in session.shared.clients.all() {
        let facts = client.facts.lock();
        let (is_monitor, user) = (facts.is_monitor, Arc::clone(&facts.user));
        drop(facts);
        let acl = &session.shared.acl;
        let request = Request { spec, args: &[b"MONITOR"], db: 0 };
        let may_watch = |user: Arc<User>| user.check(&request).is_ok();
        if !is_monitor || acl.is_process(&user) || acl.get(user.name()).is_some_and(may_watch) {
            continue;
        }
        if client.id == session.client.id {
            session.is_closing = true;
        } else {
            client.signal.send(KILLED);
        }
    }
}

/// ACL DELUSER name ...
pub(crate) fn delete_user(session: &mut Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    if args[2..].contains(&DEFAULT_USER) {
        return Reply::error("ERR The 'default' user cannot be removed");
    }
    let Ok(count) = session.shared.acl.change(|users| {
        Ok::<_, Infallible>(args[2..].iter().filter(|name| users.remove(name)).count())
    });
    for name in &args[2..] {
        tracing::info!("ACL DELUSER {} by {}", quoted(name), session.client.address);
    }
    close_users(session, |name| args[2..].contains(&name));
    settle(session, data);
    Reply::count(count)
}

/// Closes connections by the name of their user; this one after its reply.
fn close_users(session: &mut Session, is_meant: impl Fn(&[u8]) -> bool) {
    for client in session.shared.clients.all() {
        let user = Arc::clone(&client.facts.lock().user);
        if !is_meant(user.name()) {
            continue;
        }
        if client.id == session.client.id {
            session.is_closing = true;
        } else {
            client.signal.send(KILLED);
        }
    }
}

/// ACL GETUSER name
pub(crate) fn get_user(session: &Session, args: &[&[u8]]) -> Reply {
    let Some(user) = session.shared.acl.get(args[2]) else { return Reply::Nil };
    let passwords = user.passwords().iter().map(|hash| Reply::bulk(hash.to_hex().into_bytes()));
    let mut selectors = user.selectors();
    let own = selectors.next().map(selector_fields).unwrap_or_default();
    let flags = user.flags().into_iter().map(Reply::Text).collect();
    let mut fields = vec![
        (Reply::Text("flags"), Reply::Set(flags)),
        (Reply::Text("passwords"), Reply::Array(passwords.collect())),
    ];
    fields.extend(own);
    let others = selectors.map(|selector| Reply::Map(selector_fields(selector))).collect();
    fields.push((Reply::Text("selectors"), Reply::Array(others)));
    Reply::Map(fields)
}

/// Databases are shown where there is a rule about them, so that others see what Redis shows.
fn selector_fields(text: SelectorText) -> Vec<(Reply, Reply)> {
    let mut fields = vec![
        (Reply::Text("commands"), Reply::bulk(text.commands)),
        (Reply::Text("keys"), Reply::bulk(text.keys)),
        (Reply::Text("channels"), Reply::bulk(text.channels)),
    ];
    if let Some(databases) = text.databases {
        fields.push((Reply::Text("databases"), Reply::bulk(databases.into_bytes())));
    }
    fields
}

/// ACL LIST
pub(crate) fn list(session: &Session) -> Reply {
    let users = session.shared.acl.users();
    Reply::Array(users.iter().map(|user| Reply::bulk(user.line())).collect())
}

/// ACL USERS
pub(crate) fn users(session: &Session) -> Reply {
    let users = session.shared.acl.users();
    Reply::Array(users.iter().map(|user| Reply::bulk(user.name().to_vec())).collect())
}

/// ACL WHOAMI
pub(crate) fn who_am_i(session: &Session) -> Reply {
    Reply::bulk(session.user().name().to_vec())
}

/// ACL GENPASS [bits]
pub(crate) fn generate_password(args: &[&[u8]]) -> Reply {
    let bits = match args[2..] {
        [] => 256,
        [bits] => match parse_i64(bits) {
            Some(bits @ 1..=BITS_MAX) => bits,
            Some(_) => return Reply::error(BITS),
            None => return Reply::error(NOT_AN_INTEGER),
        },
        _ => return wrong_number(args[1]),
    };
    let digits = usize::try_from(bits).expect("at most 4096").div_ceil(4);
    let mut bytes = vec![0; digits.div_ceil(2)];
    if let Err(error) = getrandom::fill(&mut bytes) {
        return Reply::Error(format!("ERR the system gives no random bytes: {error}").into());
    }
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.truncate(digits);
    Reply::bulk(text.into_bytes())
}

/// ACL DRYRUN name command [argument ...]
pub(crate) fn dry_run(session: &Session, args: &[&[u8]]) -> Reply {
    let Some(user) = session.shared.acl.get(args[2]) else {
        return Reply::ErrorBytes([b"ERR User '", args[2], b"' not found"].concat());
    };
    let line = &args[3..];
    let spec = match table::resolve(line) {
        Ok(spec) => spec,
        Err(table::LookupError::WrongArity(spec)) => {
            return table::LookupError::WrongArity(spec).reply();
        }
        Err(_) => return Reply::ErrorBytes([b"ERR Command '", line[0], b"' not found"].concat()),
    };
    let request = Request { spec, args: line, db: session.db };
    match user.check(&request) {
        Ok(()) => Reply::OK,
        Err(denial) => Reply::bulk(told_in_full(&user, &request, denial)),
    }
}

/// To an administrator, with names.
fn told_in_full(user: &User, request: &Request<'_>, denial: Denial) -> Vec<u8> {
    let head = [b"User ", user.name(), b" has no permissions to "].concat();
    let what = match denial {
        Denial::Command => format!("run the '{}' command", request.spec.name).into_bytes(),
        Denial::Database { argument } => {
            let selected = request.db.to_string().into_bytes();
            let number = argument.map_or(selected, |argument| request.args[argument].to_vec());
            [&b"access database "[..], &number].concat()
        }
        Denial::AllDatabases => b"access all databases".to_vec(),
        Denial::Key { argument } => {
            [&b"access the '"[..], request.args[argument], b"' key"].concat()
        }
    };
    [head, what].concat()
}

/// ACL LOG [count | RESET]
pub(crate) fn log(session: &Session, args: &[&[u8]]) -> Reply {
    const USUAL: usize = 10;
    let log = &session.shared.acl.log;
    let count = match args[2..] {
        [] => USUAL,
        [word] if word.eq_ignore_ascii_case(b"RESET") => {
            log.reset();
            return Reply::OK;
        }
        [count] => match parse_i64(count) {
            Some(count) => usize::try_from(count).unwrap_or_default(),
            None => return Reply::error(NOT_AN_INTEGER),
        },
        _ => return wrong_number(args[1]),
    };
    let now_ms = u64::try_from(since_1970().as_millis()).unwrap_or(u64::MAX);
    Reply::Array(log.newest(count).into_iter().map(|entry| shown(entry, now_ms)).collect())
}

fn shown(entry: LogEntry, now_ms: u64) -> Reply {
    let LogEntry { refused, count, id, first_ms, last_ms, client } = entry;
    // Since the last of them, as in Redis.
    let age_s = now_ms.saturating_sub(last_ms) as f64 / 1000.0;
    Reply::Map(vec![
        (Reply::Text("count"), Reply::number(count)),
        (Reply::Text("reason"), Reply::Text(refused.reason)),
        (Reply::Text("context"), Reply::Text(refused.context.word())),
        (Reply::Text("object"), Reply::bulk(refused.object)),
        (Reply::Text("username"), Reply::bulk(refused.user)),
        (Reply::Text("age-seconds"), Reply::Double(age_s)),
        (Reply::Text("client-info"), Reply::bulk(client.into_bytes())),
        (Reply::Text("entry-id"), Reply::number(id)),
        (Reply::Text("timestamp-created"), Reply::number(first_ms)),
        (Reply::Text("timestamp-last-updated"), Reply::number(last_ms)),
    ])
}

/// ACL LOAD
pub(crate) fn load(session: &mut Session, data: &mut Data<'_, '_>) -> Reply {
    if data.is_held() {
        return Reply::error(FILE_IN_EXEC);
    }
    let acl = &session.shared.acl;
    let Some(path) = &acl.file else { return Reply::error(NO_FILE) };
    let default = acl.default_user();
    let refused = |why: String| {
        tracing::warn!("ACL LOAD of {}: {why}", path.display());
        Reply::Error(format!("ERR {}: {why}. The users are as they were", path.display()).into())
    };
    let mut read = match read_users(path, &default) {
        Ok(read) => read,
        Err(error) => return refused(error.to_string()),
    };
    let changed = acl.change(|users| {
        // The file may say nothing of it, and somebody else have changed it meanwhile.
        if read.default_user() == &default {
            read.put((**users.default_user()).clone());
        }
        tls_command::refuse_open_default(&session.shared, read.default_user())?;
        Ok::<_, String>(std::mem::replace(users, read.clone()))
    });
    let before = match changed {
        Ok(before) => before,
        Err(why) => return refused(why),
    };
    tracing::info!("ACL LOAD took {} users from {}", read.iter().count(), path.display());
    close_users(session, |name| before.get(name).is_some() && read.get(name).is_none());
    settle(session, data);
    Reply::OK
}

/// ACL SAVE
pub(crate) fn save(session: &Session, data: &Data<'_, '_>) -> Reply {
    if data.is_held() {
        return Reply::error(FILE_IN_EXEC);
    }
    let acl = &session.shared.acl;
    let Some(path) = &acl.file else { return Reply::error(NO_FILE) };
    match acl.write(path) {
        Ok(()) => {
            tracing::info!("ACL SAVE wrote {}", path.display());
            Reply::OK
        }
        Err(error) => {
            tracing::warn!("ACL SAVE to {} failed: {error}", path.display());
            let text = format!("ERR cannot write {}: {error}", path.display());
            Reply::Error(text.into())
        }
    }
}

/// A name for the log: on one line, and not too long.
pub(crate) fn quoted(name: &[u8]) -> String {
    const SHOWN: usize = 64;
    let text = String::from_utf8_lossy(&name[..name.len().min(SHOWN)]).into_owned();
    format!("{text:?}")
}
