//! Bytes that no client library sends, to two servers: what comes back must be equal byte for byte,
//! and so must whether the connection stays open.
//!
//! Left out is what 8.6 does badly: a `$` line of more than 16 KiB and an inline request with a NUL
//! byte leave its connection hanging.
//! Left out too is what the arrival of the bytes decides: good commands before a line that closes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::Server;

/// One exchange.
#[derive(Clone, Debug)]
pub struct Case {
    /// What is odd about it.
    pub name: &'static str,
    /// What is sent.
    pub bytes: Vec<u8>,
    /// Whether the mark follows; without it the server is expected to close the connection.
    pub marked: bool,
}

impl Case {
    fn new(name: &'static str, bytes: Vec<u8>) -> Self {
        Self { name, bytes, marked: true }
    }

    fn unmarked(name: &'static str, bytes: Vec<u8>) -> Self {
        Self { name, bytes, marked: false }
    }
}

/// What came back.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// All bytes, without the answer to the mark at the end.
    pub bytes: Vec<u8>,
    /// Whether the server closed the connection.
    pub closed: bool,
}

/// Sent behind each case: its answer shows that the connection is alive and has answered the rest.
const MARK: &[u8] = b"*2\r\n$4\r\nECHO\r\n$17\r\n-- end of case --\r\n";
const MARK_ANSWER: &[u8] = b"$17\r\n-- end of case --\r\n";
/// How long a server may take for one case.
const LIMIT: Duration = Duration::from_secs(10);

/// Sends a case on a new connection and reads until the mark is answered or the server closes.
///
/// # Errors
/// When neither happens in time.
pub fn exchange(server: &Server, case: &Case) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).context("connect")?;
    stream.set_nodelay(true).context("set TCP_NODELAY")?;
    stream.write_all(&case.bytes).context("send")?;
    if case.marked {
        // Where the server has closed by now, the mark is not missed.
        let _ = stream.write_all(MARK);
    }
    let deadline = Instant::now() + LIMIT;
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(rest) = bytes.strip_suffix(MARK_ANSWER) {
            return Ok(Answer { bytes: rest.to_vec(), closed: false });
        }
        let left = deadline.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "no end after {:?}", String::from_utf8_lossy(&bytes));
        stream.set_read_timeout(Some(left)).context("set a limit")?;
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(Answer { bytes, closed: true }),
            Ok(n) => bytes.extend_from_slice(&chunk[..n]),
            Err(e) if e.kind() == ErrorKind::ConnectionReset => {
                return Ok(Answer { bytes, closed: true });
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(e) => return Err(e).context("receive"),
        }
    }
}

/// Compares two servers on every case.
///
/// # Errors
/// Lists all cases in which they differ.
pub fn compare(subject: &Server, reference: &Server, cases: &[Case]) -> Result<()> {
    let mut differences = Vec::new();
    for case in cases {
        let place = || format!("{}, on {}", case.name, subject.program());
        let ours = exchange(subject, case).with_context(place)?;
        let theirs = exchange(reference, case).with_context(|| case.name)?;
        if ours != theirs {
            let shown = |answer: &Answer| {
                let end = if answer.closed { ", closed" } else { "" };
                format!("{:?}{end}", String::from_utf8_lossy(&answer.bytes))
            };
            differences.push(format!("{}: {} is not {}", case.name, shown(&ours), shown(&theirs)));
        }
    }
    if differences.is_empty() {
        return Ok(());
    }
    bail!("{} of {} cases differ:\n{}", differences.len(), cases.len(), differences.join("\n"))
}

/// Cases for a server without a password.
pub fn cases() -> Vec<Case> {
    let short: [(&'static str, &[u8]); 43] = [
        ("inline", b"PING\r\n"),
        ("inline, ended by LF only", b"PING\n"),
        ("inline with blanks around", b"  PING   hello  \r\n"),
        ("inline with tabs", b"PING\thello\r\n"),
        ("inline, double quotes", b"ECHO \"a b\\x41\\n\\t\\q\\\"\"\r\n"),
        ("inline, single quotes", b"ECHO 'a \\' \\n \"'\r\n"),
        ("inline, empty argument", b"ECHO \"\"\r\n"),
        ("inline, unbalanced double quote", b"ECHO \"a\r\n"),
        ("inline, unbalanced single quote", b"ECHO 'a\r\n"),
        ("inline, a word right behind a quote", b"ECHO \"a\"b\r\n"),
        ("inline, a quote inside a word", b"ECHO a\"b c\"\r\n"),
        ("inline, half an escape", b"ECHO \"\\x4g\"\r\n"),
        ("inline, bytes beyond ASCII", b"ECHO \xff\xfe\r\n"),
        ("inline, unknown", b"NOSUCH a 'b c'\r\n"),
        ("empty line", b"\r\n"),
        ("many empty lines", b"\r\n\n\r\n\n"),
        ("blank line", b"   \r\n"),
        ("no arguments", b"*0\r\n"),
        ("minus one arguments", b"*-1\r\n"),
        ("minus ten arguments", b"*-10\r\n"),
        ("the count is no number", b"*x\r\n"),
        ("no count", b"*\r\n"),
        ("the count has a sign", b"*+1\r\n$4\r\nPING\r\n"),
        ("the count has a leading zero", b"*01\r\n$4\r\nPING\r\n"),
        ("the count is beyond 32 bits", b"*2147483648\r\n"),
        ("the count is beyond 64 bits", b"*99999999999999999999\r\n"),
        ("no dollar", b"*1\r\n:4\r\nPING\r\n"),
        ("a blank for a dollar", b"*1\r\n $4\r\nPING\r\n"),
        ("nothing for a dollar", b"*1\r\n\r\nPING\r\n"),
        ("the second is no bulk", b"*2\r\n$4\r\nECHO\r\n+a\r\n"),
        ("the length is no number", b"*1\r\n$x\r\n"),
        ("no length", b"*1\r\n$\r\n"),
        ("negative length", b"*1\r\n$-1\r\n"),
        ("length above the limit", b"*1\r\n$536870913\r\n"),
        ("length beyond 64 bits", b"*1\r\n$99999999999999999999\r\n"),
        ("bytes behind a bulk are not looked at", b"*1\r\n$4\r\nPINGxx"),
        ("an empty name", b"*2\r\n$0\r\n\r\n$1\r\na\r\n"),
        ("a name with line ends", b"*2\r\n$4\r\na\r\nb\r\n$1\r\n\n\r\n"),
        ("good commands before a bad one", b"PING\r\n*1\r\n$4\r\nPING\r\n*1\r\n!\r\nPING\r\n"),
        ("post", b"POST / HTTP/1.1\r\n\r\n"),
        ("host", b"Host: localhost\r\n\r\n"),
        ("quit before more", b"PING\r\nQUIT\r\nPING\r\n"),
        ("a number too long for its line end", b"*1\r\n$4\rxPING\r\n"),
    ];
    let mut cases: Vec<Case> =
        short.iter().map(|(name, bytes)| Case::new(name, bytes.to_vec())).collect();
    cases.extend([
        Case::unmarked("an inline request without end", vec![b'a'; 70 * 1024]),
        Case::unmarked("a count without end", [b"*", &[b'1'; 70 * 1024][..]].concat()),
        Case::new("an argument of 1 MiB", long_argument(1 << 20)),
        Case::new("twelve arguments", arguments(12)),
    ]);
    cases
}

/// Cases for a server with the password `secret`.
pub fn unauthenticated_cases() -> Vec<Case> {
    let short: [(&'static str, &[u8]); 9] = [
        ("PING", b"PING\r\n"),
        ("unknown comes first", b"NOSUCH a\r\n"),
        ("arity comes first", b"XADD s\r\n"),
        ("HELLO 3", b"HELLO 3\r\n"),
        ("MULTI", b"MULTI\r\n"),
        ("CLIENT SETINFO", b"CLIENT SETINFO LIB-NAME x\r\n"),
        ("wrong password", b"AUTH wrong\r\n"),
        ("password and name", b"AUTH default secret\r\nPING\r\n"),
        ("password alone", b"AUTH secret\r\nPING\r\nRESET\r\nPING\r\n"),
    ];
    let mut cases: Vec<Case> =
        short.iter().map(|(name, bytes)| Case::new(name, bytes.to_vec())).collect();
    cases.extend([
        Case::new("ten arguments", arguments(10)),
        Case::new("eleven arguments", arguments(11)),
        Case::new("an argument of 16 KiB", long_argument(16_384)),
        Case::new("an argument of 16 KiB and 1", long_argument(16_385)[..40].to_vec()),
    ]);
    // ECHO is refused here, so each case ends by logging in for the mark.
    for case in &mut cases {
        case.bytes.extend_from_slice(b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n");
    }
    cases
}

fn arguments(count: usize) -> Vec<u8> {
    let mut bytes = format!("*{count}\r\n$6\r\nEXISTS\r\n").into_bytes();
    for _ in 1..count {
        bytes.extend_from_slice(b"$1\r\nk\r\n");
    }
    bytes
}

fn long_argument(length: usize) -> Vec<u8> {
    let head = format!("*2\r\n$6\r\nEXISTS\r\n${length}\r\n");
    [head.as_bytes(), &vec![b'x'; length], b"\r\n"].concat()
}
