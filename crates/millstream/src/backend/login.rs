//! Who to be on a connection, and in which database.
//!
//! Said by ourselves: the client library takes whatever a server answers to AUTH for a wrong
//! password, also that it has too many clients, and what it answers to SELECT for a broken
//! connection. With RESP3 both are in the library's HELLO.
//!
//! A certificate may be a user's name (`tls-auth-clients-user`). Whoever shows one and wants to be
//! nobody says RESET first, by which servers forget who somebody is.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{Client, ProtocolVersion, RedisConnectionInfo, RedisResult};

#[derive(Default)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<String>,
    database: i64,
    /// To be whom strangers are taken for, whatever the certificate says.
    begins_anew: bool,
    /// After that the protocol has to be said again.
    speaks_resp3: bool,
}

impl Login {
    /// Takes it from what the client library would say.
    pub(super) fn take_from(client: Client, begins_anew: bool) -> (Client, Self) {
        let info = client.get_connection_info();
        let settings = info.redis_settings();
        if settings.protocol() != ProtocolVersion::RESP2 {
            let database = if begins_anew { settings.db() } else { 0 };
            let login = Self { database, begins_anew, speaks_resp3: true, ..Self::default() };
            return (client, login);
        }
        let login = Self {
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            database: settings.db(),
            begins_anew,
            speaks_resp3: false,
        };
        match Client::open(info.clone().set_redis_settings(RedisConnectionInfo::default())) {
            Ok(anonymous) => (anonymous, login),
            Err(_) => (client, Self { begins_anew, ..Self::default() }),
        }
    }

    pub(super) async fn log_in(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut all = redis::pipe();
        if self.begins_anew {
            all.cmd("RESET").ignore();
            if self.speaks_resp3 {
                all.cmd("HELLO").arg(3).ignore();
            }
        }
        if let Some(password) = &self.password {
            let auth = all.cmd("AUTH");
            if let Some(user) = &self.user {
                auth.arg(user);
            }
            auth.arg(password).ignore();
        }
        if self.database != 0 {
            all.cmd("SELECT").arg(self.database).ignore();
        }
        if all.is_empty() { Ok(()) } else { all.query_async(connection).await }
    }
}

impl fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password, database, begins_anew, speaks_resp3 } = self;
        f.debug_struct("Login")
            .field("user", user)
            .field("has_password", &password.is_some())
            .field("database", database)
            .field("begins_anew", begins_anew)
            .field("speaks_resp3", speaks_resp3)
            .finish()
    }
}
