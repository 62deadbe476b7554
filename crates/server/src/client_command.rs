//! CLIENT: what connections say of themselves, and what one may do to another.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use millstream_command::Reply;
use millstream_command::integer::{NOT_AN_INTEGER, parse_i64};

use crate::acl::Acl;
use crate::address::Address;
use crate::clients::Client;
use crate::mailbox::{KILLED, READ_DONE, UNBLOCK_ERROR, UNBLOCK_TIMEOUT};
use crate::pause::{self, Paused};
use crate::session::{Data, Session};

const SYNTAX: &str = "ERR syntax error";

/// Names stand in one-line lists, so they hold printable ASCII without blanks.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// Whether a connection may be called that.
///
/// # Errors
/// The error reply.
pub(crate) fn check_name(name: &[u8]) -> Result<(), Reply> {
    if is_printable(name) {
        return Ok(());
    }
    Err(Reply::error("ERR Client names cannot contain spaces, newlines or special characters."))
}

pub(crate) fn set_name(session: &Session, args: &[&[u8]]) -> Reply {
    if let Err(reply) = check_name(args[2]) {
        return reply;
    }
    session.update_facts(|facts| facts.name = args[2].to_vec());
    Reply::OK
}

pub(crate) fn get_name(session: &Session) -> Reply {
    let name = session.client.facts.lock().name.clone();
    if name.is_empty() { Reply::Nil } else { Reply::bulk(name) }
}

pub(crate) fn set_info(session: &Session, args: &[&[u8]]) -> Reply {
    let (option, value) = (args[2], args[3]);
    let is_name = option.eq_ignore_ascii_case(b"LIB-NAME");
    if !is_name && !option.eq_ignore_ascii_case(b"LIB-VER") {
        return Reply::ErrorBytes([b"ERR Unrecognized option '", option, b"'"].concat());
    }
    if !is_printable(value) {
        let tail = b" cannot contain spaces, newlines or special characters.";
        return Reply::ErrorBytes([b"ERR ", option, tail].concat());
    }
    session.update_facts(|facts| {
        let field = if is_name { &mut facts.library_name } else { &mut facts.library_version };
        *field = value.to_vec();
    });
    Reply::OK
}

pub(crate) fn info(session: &Session) -> Reply {
    let mut text = String::new();
    describe(&session.client, &mut text);
    Reply::Verbatim(text)
}

/// CLIENT LIST [TYPE type] [ID id ...]
pub(crate) fn list(session: &Session, args: &[&[u8]]) -> Reply {
    let all = session.shared.clients.all();
    let wanted: Vec<Arc<Client>> = match args[2..] {
        [] => all,
        [word, kind] if word.eq_ignore_ascii_case(b"TYPE") => match parse_kind(kind) {
            Ok(is_normal) => all.into_iter().filter(|_| is_normal).collect(),
            Err(reply) => return reply,
        },
        [word, ref ids @ ..] if word.eq_ignore_ascii_case(b"ID") && !ids.is_empty() => {
            let mut wanted = Vec::new();
            for id in ids {
                let Some(id) = parse_i64(id) else {
                    return Reply::error("ERR Invalid client ID");
                };
                wanted.extend(u64::try_from(id).ok().and_then(|id| session.shared.clients.get(id)));
            }
            wanted
        }
        _ => return Reply::error(SYNTAX),
    };
    let mut text = String::new();
    wanted.iter().for_each(|client| describe(client, &mut text));
    Reply::Verbatim(text)
}

/// Whether connections of that type exist here: all of them are `normal`.
fn parse_kind(kind: &[u8]) -> Result<bool, Reply> {
    const OTHERS: [&[u8]; 4] = [b"master", b"replica", b"slave", b"pubsub"];
    if kind.eq_ignore_ascii_case(b"normal") {
        return Ok(true);
    }
    if OTHERS.iter().any(|other| kind.eq_ignore_ascii_case(other)) {
        return Ok(false);
    }
    Err(Reply::ErrorBytes([b"ERR Unknown client type '", kind, b"'"].concat()))
}

/// One line, as CLIENT LIST has it.
pub(crate) fn describe(client: &Client, to: &mut String) {
    let facts = client.facts.lock().clone();
    let now = Instant::now();
    let seconds = |since: Instant| now.saturating_duration_since(since).as_secs();
    let mut flags = String::new();
    for (flag, is_set) in [
        ('O', facts.is_monitor),
        ('x', facts.queued.is_some()),
        ('b', client.is_blocked.load(Ordering::Acquire)),
        ('U', client.address.is_unix()),
        ('e', facts.no_evict),
        ('T', facts.no_touch),
    ] {
        if is_set {
            flags.push(flag);
        }
    }
    if flags.is_empty() {
        flags.push('N');
    }
    let queued = facts.queued.map_or(-1, |queued| i64::try_from(queued).unwrap_or(i64::MAX));
    let command = facts.last_command.map_or("NULL", |spec| spec.name);
    let user = if facts.is_authenticated { facts.user.name() } else { b"(superuser)" };
    let user = String::from_utf8_lossy(user);
    let output_buffered = client.output_buffered.load(Ordering::Relaxed);
    // Counted when it ran last, so that it may know less than what is seen here.
    let buffered = facts.input_buffered + output_buffered;
    let memory = client.memory.load(Ordering::Relaxed).max(buffered);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let _ = writeln!(
        to,
        "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={flags} db={} sub=0 psub=0 \
         ssub=0 multi={queued} watch={} qbuf={} qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 \
         obl={} oll=0 omem={} tot-mem={} events=r cmd={command} user={user} redir=-1 resp={} \
         lib-name={} lib-ver={} io-thread=0 tot-net-in={} tot-net-out={} tot-cmds={}",
        client.id,
        client.address,
        client.local_address,
        text(&facts.name),
        seconds(client.connected_at),
        seconds(facts.last_at),
        facts.db,
        facts.watched,
        facts.input_buffered,
        output_buffered,
        output_buffered,
        memory,
        facts.resp,
        text(&facts.library_name),
        text(&facts.library_version),
        facts.input_bytes,
        facts.output_bytes,
        facts.commands,
    );
}

/// Which connections CLIENT KILL is about.
struct KillFilter {
    id: Option<u64>,
    address: Option<Vec<u8>>,
    local_address: Option<Vec<u8>>,
    /// Only connections of a type that nobody has here.
    is_other_type: bool,
    user: Option<Vec<u8>>,
    age_min_s: Option<u64>,
    skip_me: bool,
}

impl KillFilter {
    fn parse(options: &[&[u8]], acl: &Acl) -> Result<Self, Reply> {
        let mut filter = Self {
            id: None,
            address: None,
            local_address: None,
            is_other_type: false,
            user: None,
            age_min_s: None,
            skip_me: true,
        };
        let mut at = 0;
        while at < options.len() {
            let Some(value) = options.get(at + 1) else { return Err(Reply::error(SYNTAX)) };
            let word = options[at].to_ascii_uppercase();
            at += 2;
            match &word[..] {
                b"ID" => filter.id = Some(parse_id(value)?),
                b"ADDR" => filter.address = Some(value.to_vec()),
                b"LADDR" => filter.local_address = Some(value.to_vec()),
                b"TYPE" => filter.is_other_type = !parse_kind(value)?,
                b"USER" if acl.get(value).is_some() => filter.user = Some(value.to_vec()),
                b"USER" => {
                    let text = [b"ERR No such user '", *value, b"'"].concat();
                    return Err(Reply::ErrorBytes(text));
                }
                b"SKIPME" if value.eq_ignore_ascii_case(b"yes") => filter.skip_me = true,
                b"SKIPME" if value.eq_ignore_ascii_case(b"no") => filter.skip_me = false,
                b"MAXAGE" => {
                    let age = parse_i64(value)
                        .ok_or(Reply::error("ERR maxage is not an integer or out of range"))?;
                    let age = u64::try_from(age).ok().filter(|age| *age > 0);
                    let refusal = Reply::error("ERR maxage should be greater than 0");
                    filter.age_min_s = Some(age.ok_or(refusal)?);
                }
                _ => return Err(Reply::error(SYNTAX)),
            }
        }
        Ok(filter)
    }

    fn matches(&self, client: &Client) -> bool {
        let is = |wanted: &Option<Vec<u8>>, address: &Address| {
            wanted.as_ref().is_none_or(|wanted| wanted == address.to_string().as_bytes())
        };
        !self.is_other_type
            && self.id.is_none_or(|id| id == client.id)
            && is(&self.address, &client.address)
            && is(&self.local_address, &client.local_address)
            && self.user.as_ref().is_none_or(|name| *name == client.facts.lock().user.name())
            && self.age_min_s.is_none_or(|age| client.connected_at.elapsed().as_secs() >= age)
    }
}

fn parse_id(text: &[u8]) -> Result<u64, Reply> {
    let id = parse_i64(text).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
    id.ok_or(Reply::error("ERR client-id should be greater than 0"))
}

/// CLIENT KILL address, or CLIENT KILL with filters. The caller itself gets its reply first.
pub(crate) fn kill(session: &mut Session, args: &[&[u8]]) -> Reply {
    if let [address] = args[2..] {
        let filter = [b"ADDR", address, b"SKIPME", b"no"];
        return match KillFilter::parse(&filter, &session.shared.acl)
            .map(|filter| kill_matching(session, &filter))
        {
            Ok(0) => Reply::error("ERR No such client"),
            Ok(_) => Reply::OK,
            Err(reply) => reply,
        };
    }
    match KillFilter::parse(&args[2..], &session.shared.acl) {
        Ok(filter) => Reply::count(kill_matching(session, &filter)),
        Err(reply) => reply,
    }
}

fn kill_matching(session: &mut Session, filter: &KillFilter) -> usize {
    let mut killed = 0;
    for client in session.shared.clients.all() {
        if !filter.matches(&client) {
            continue;
        }
        if client.id != session.client.id {
            client.signal.send(KILLED);
        } else if filter.skip_me {
            continue;
        } else {
            session.is_closing = true;
        }
        killed += 1;
    }
    killed
}

/// CLIENT UNBLOCK id [TIMEOUT | ERROR]
pub(crate) fn unblock(session: &Session, args: &[&[u8]]) -> Reply {
    let event = match args[3..] {
        [] => UNBLOCK_TIMEOUT,
        [word] if word.eq_ignore_ascii_case(b"TIMEOUT") => UNBLOCK_TIMEOUT,
        [word] if word.eq_ignore_ascii_case(b"ERROR") => UNBLOCK_ERROR,
        [_] => return Reply::error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
        _ => return unknown_or_wrong(args[1]),
    };
    let Some(id) = parse_i64(args[2]) else { return Reply::error(NOT_AN_INTEGER) };
    let client = u64::try_from(id).ok().and_then(|id| session.shared.clients.get(id));
    // One that has been served already, and will be told so, is not blocked any more.
    let blocked = client.filter(|client| {
        client.is_blocked.load(Ordering::Acquire)
            && !client.is_postponed.load(Ordering::Acquire)
            && client.signal.events() & READ_DONE == 0
    });
    if let Some(client) = &blocked {
        client.signal.send(event);
    }
    Reply::Int(blocked.is_some().into())
}

/// CLIENT PAUSE milliseconds [WRITE | ALL]
pub(crate) fn pause(session: &Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    let paused = match args[3..] {
        [] => Paused::All,
        [word] if word.eq_ignore_ascii_case(b"ALL") => Paused::All,
        [word] if word.eq_ignore_ascii_case(b"WRITE") => Paused::Writes,
        [_] => return Reply::error("ERR CLIENT PAUSE mode must be WRITE or ALL"),
        _ => return unknown_or_wrong(args[1]),
    };
    let Some(pause_ms) = parse_i64(args[2]) else {
        return Reply::error("ERR timeout is not an integer or out of range");
    };
    let Ok(pause_ms) = u64::try_from(pause_ms) else {
        return Reply::error("ERR timeout is negative");
    };
    // As in Redis, which counts in Unix milliseconds with a sign.
    let is_counted = i64::try_from(pause_ms.saturating_add(data.now().wall_ms)).is_ok();
    let Some(until) = pause::deadline(pause_ms).filter(|_| is_counted) else {
        return Reply::error("ERR timeout is out of range");
    };
    session.shared.pause.begin(paused, until);
    // Whoever was let in before has run after this.
    data.with(|_| ());
    Reply::OK
}

/// CLIENT UNPAUSE
pub(crate) fn unpause(session: &Session, data: &Data<'_, '_>) -> Reply {
    pause::end(&session.shared, data.is_held());
    Reply::OK
}

fn unknown_or_wrong(word: &[u8]) -> Reply {
    let head = b"ERR unknown subcommand or wrong number of arguments for '";
    Reply::ErrorBytes([head, word, b"'. Try CLIENT HELP."].concat())
}

pub(crate) fn no_evict(session: &Session, args: &[&[u8]]) -> Reply {
    switch(args[2], |is_on| session.update_facts(|facts| facts.no_evict = is_on))
}

pub(crate) fn no_touch(session: &mut Session, args: &[&[u8]]) -> Reply {
    switch(args[2], |is_on| {
        session.leaves_no_trace = is_on;
        session.update_facts(|facts| facts.no_touch = is_on);
    })
}

fn switch(word: &[u8], set: impl FnOnce(bool)) -> Reply {
    match word {
        _ if word.eq_ignore_ascii_case(b"ON") => set(true),
        _ if word.eq_ignore_ascii_case(b"OFF") => set(false),
        _ => return Reply::error(SYNTAX),
    }
    Reply::OK
}
