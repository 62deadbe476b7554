//! Who to be on a connection, and in which database.
//!
//! Said by ourselves: the client library takes whatever a server answers to AUTH for a wrong
//! password, also that it has too many clients, and what it answers to SELECT for a broken
//! connection. With RESP3 both are in the library's HELLO.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{Client, ProtocolVersion, RedisConnectionInfo, RedisResult};

#[derive(Default)]
pub(super) struct Login {
    user: Option<String>,
    password: Option<String>,
    database: i64,
}

impl Login {
    /// Takes it from what the client library would say.
    pub(super) fn take_from(client: Client) -> (Client, Self) {
        let info = client.get_connection_info();
        let settings = info.redis_settings();
        if settings.protocol() != ProtocolVersion::RESP2 {
            return (client, Self::default());
        }
        let login = Self {
            user: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            database: settings.db(),
        };
        match Client::open(info.clone().set_redis_settings(RedisConnectionInfo::default())) {
            Ok(anonymous) => (anonymous, login),
            Err(_) => (client, Self::default()),
        }
    }

    pub(super) async fn log_in(&self, connection: &mut MultiplexedConnection) -> RedisResult<()> {
        let mut all = redis::pipe();
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
        let Self { user, password, database } = self;
        f.debug_struct("Login")
            .field("user", user)
            .field("has_password", &password.is_some())
            .field("database", database)
            .finish()
    }
}
