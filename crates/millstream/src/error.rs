//! What can go wrong between a program and its server.

use std::fmt;

use crate::EntryId;
use crate::abilities::UNNAMED;

/// Why something was not done. Nothing is half done, except where the server went away while it
/// worked ([`Error::Connection`]): then it may have been done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The program asked for what makes no sense; it says what.
    Configuration(String),
    /// The server cannot do what was asked for.
    Unsupported {
        /// What was asked for.
        what: &'static str,
        /// What the server calls itself.
        server: String,
    },
    /// The server cannot be reached, went away, or did not answer in time.
    Connection(Box<dyn std::error::Error + Send + Sync>),
    /// The store within this process cannot be opened, was closed, or is of no use any more: its
    /// disk failed, or there was a panic within it. It must be opened again.
    Store(Box<dyn std::error::Error + Send + Sync>),
    /// There is no such stream or group.
    NoGroup(String),
    /// The server refused, in these words.
    Refused {
        /// The first word of the answer, like `WRONGTYPE`.
        code: String,
        /// The rest.
        text: String,
    },
    /// An entry was added, and fewer replicas have it than were asked for: a failure of the primary
    /// may lose it.
    Unreplicated {
        /// The entry.
        id: EntryId,
        /// So many have it.
        replicas: u64,
    },
    /// A source is not where the caller takes it to be: another run of the same name goes on with
    /// it, or went on.
    SourceMoved {
        /// So many of its entries were added by now.
        count: u64,
    },
    /// The answer is none that this command has.
    Answer(&'static str),
}

impl Error {
    /// Whether another try may succeed without anybody changing anything.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Refused { code, .. } => {
                matches!(
                    &**code,
                    "LOADING"
                        | "BUSY"
                        | "TRYAGAIN"
                        | "CLUSTERDOWN"
                        | "MASTERDOWN"
                        | "READONLY"
                        | "MOVED"
                        | "ASK"
                        | "UNBLOCKED"
                        | "NOREPLICAS"
                )
            }
            _ => false,
        }
    }

    /// Whether the server refused because there is no stream under the key.
    #[must_use]
    pub fn is_no_stream(&self) -> bool {
        match self {
            Self::Refused { code, text } if code == "ERR" => {
                text == "no such key" || text.contains("requires the key to exist")
            }
            _ => false,
        }
    }

    /// Whether this user may not run the command, whatever key it names.
    #[must_use]
    pub fn is_forbidden_command(&self) -> bool {
        // Redis 6.2 says "this user has no permissions to run the …".
        matches!(self, Self::Refused { code, text }
            if code == "NOPERM" && text.contains("no permissions to run"))
    }

    /// Whether this user may run the command, and may not touch the key that it names.
    #[must_use]
    pub fn is_forbidden_key(&self) -> bool {
        // The second is what Redis 6.2 says.
        let texts = ["to access a key", "to access one of the keys"];
        matches!(self, Self::Refused { code, text }
            if code == "NOPERM" && texts.iter().any(|it| text.contains(it)))
    }

    /// Whether the server may be able to do it nevertheless: it did not tell this user what it is,
    /// which needs the right to run `INFO`.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        matches!(self, Self::Unsupported { server, .. } if server == UNNAMED)
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn store(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Store(source.into())
    }

    /// What an answer says that is an error.
    pub(crate) fn of(answer: &redis::Value) -> Option<Self> {
        match answer {
            redis::Value::ServerError(error) => Some(Self::from_server(error)),
            _ => None,
        }
    }

    fn from_server(error: &redis::ServerError) -> Self {
        let text = error.details().unwrap_or_default().to_owned();
        match error.code() {
            "NOGROUP" => Self::NoGroup(text),
            code => Self::Refused { code: code.to_owned(), text },
        }
    }

    pub(crate) fn is_busy_group(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "BUSYGROUP")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(what) => f.write_str(what),
            Self::Unsupported { what, .. } if self.is_untold() => {
                write!(
                    f,
                    "the server does not tell this user what it is (INFO), and is taken for one \
                     that has no {what}"
                )
            }
            Self::Unsupported { what, server } => write!(f, "{server} has no {what}"),
            Self::Connection(source) => write!(f, "the server cannot be reached: {source}"),
            Self::Store(source) => write!(f, "the store cannot be used: {source}"),
            Self::NoGroup(text) => f.write_str(text),
            Self::Refused { code, text } => write!(f, "the server says: {code} {text}"),
            Self::Unreplicated { id, replicas } => {
                write!(f, "{id} was added, but only {replicas} replicas have it")
            }
            Self::SourceMoved { count } => {
                write!(f, "another run goes on with the source: {count} of its entries were added")
            }
            Self::Answer(command) => {
                write!(f, "the server's answer to {command} is not understood")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(source) | Self::Store(source) => Some(&**source),
            _ => None,
        }
    }
}

impl From<redis::RedisError> for Error {
    fn from(error: redis::RedisError) -> Self {
        if error.kind() == redis::ErrorKind::AuthenticationFailed {
            let text = "the user or the password is wrong".to_owned();
            return Self::Refused { code: "WRONGPASS".to_owned(), text };
        }
        // Of several commands the first one that was refused tells why.
        match error.clone().into_server_errors().as_deref() {
            Some([(_, first), ..]) => Self::from_server(first),
            _ => Self::Connection(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use redis::aio::ConnectionLike;
    use redis::{Cmd, Pipeline, RedisFuture, Value};

    use super::*;

    /// Whatever is asked, it answers this.
    struct Refusing(&'static str);

    impl ConnectionLike for Refusing {
        fn req_packed_command<'a>(&'a mut self, _: &'a Cmd) -> RedisFuture<'a, Value> {
            Box::pin(async { redis::parse_redis_value(self.0.as_bytes()) })
        }

        fn req_packed_commands<'a>(
            &'a mut self,
            _: &'a Pipeline,
            _: usize,
            count: usize,
        ) -> RedisFuture<'a, Vec<Value>> {
            let answer = || redis::parse_redis_value(self.0.as_bytes());
            Box::pin(async move { (0..count).map(|_| answer()).collect() })
        }

        fn get_db(&self) -> i64 {
            0
        }
    }

    #[test]
    fn a_command_and_a_key_that_are_forbidden_are_told_apart() {
        for (text, is_command, is_key) in [
            ("User ada has no permissions to run the 'xgroup|create' command", true, false),
            ("No permissions to access a key", false, true),
            // Redis 6.2, up to the words that follow.
            ("this user has no permissions to run the 'xadd' command", true, false),
            ("this user has no permissions to access one of the keys", false, true),
            // Valkey 9.1.
            ("No permissions to access database", false, false),
        ] {
            let error = Error::Refused { code: "NOPERM".to_owned(), text: text.to_owned() };
            assert_eq!(error.is_forbidden_command(), is_command, "{text}");
            assert_eq!(error.is_forbidden_key(), is_key, "{text}");
        }
    }

    #[tokio::test]
    async fn a_refusal_among_several_commands_is_no_broken_connection() {
        let mut two = redis::pipe();
        two.cmd("PING").cmd("PING");
        for (said, is_no_group) in
            [("-WRONGTYPE it is a string\r\n", false), ("-NOGROUP there is none\r\n", true)]
        {
            let refused = two.query_async::<Vec<Value>>(&mut Refusing(said)).await;
            match Error::from(refused.expect_err("it is refused")) {
                Error::NoGroup(text) => assert!(is_no_group && text == "there is none"),
                Error::Refused { code, text } => {
                    assert_eq!(
                        (&*code, &*text, is_no_group),
                        ("WRONGTYPE", "it is a string", false)
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
