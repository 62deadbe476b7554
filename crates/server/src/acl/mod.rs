//! Who may do what on this server: all users, what was refused, and the file of users.
//!
//! A session keeps the user that it was judged by, and the epoch in which it looked. Every change
//! of users begins a new epoch; sessions look again at their next command. Reads that are parked
//! are looked at by whoever makes the change, with the engine held, and a session that wants to
//! park looks at the epoch with the engine held, too: so nobody is served by rules that are gone.

mod denied;
mod file;
mod log;
mod login;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_acl::{DEFAULT_USER, PasswordHash, User, Users};
use parking_lot::{Mutex, RwLock};

pub(crate) use self::denied::DeniedCounts;
pub(crate) use self::file::read_users;
pub(crate) use self::log::{AclLog, Context, LogEntry, Refused};
pub(crate) use self::login::{LoginFailures, Penalty};
use crate::{Config, StartError};

/// All users, and what is known of their failures.
#[derive(Debug)]
pub(crate) struct Acl {
    users: RwLock<Users>,
    epoch: AtomicU64,
    /// Where users are kept; `None`: nowhere.
    pub(crate) file: Option<PathBuf>,
    /// One writes the file at a time.
    writing: Mutex<()>,
    pub(crate) log: AclLog,
    pub(crate) denied: DeniedCounts,
    pub(crate) failures: LoginFailures,
    /// May do everything: connections of this process itself.
    process: Arc<User>,
}

impl Acl {
    pub(crate) fn new(users: Users, file: Option<PathBuf>) -> Self {
        Self {
            users: RwLock::new(users),
            epoch: AtomicU64::new(1),
            file,
            writing: Mutex::new(()),
            log: AclLog::default(),
            denied: DeniedCounts::default(),
            failures: LoginFailures::default(),
            process: Arc::new(User::open_default()),
        }
    }

    /// Grows with every change of a user.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Who connections of this process itself are.
    pub(crate) fn process(&self) -> Arc<User> {
        Arc::clone(&self.process)
    }

    /// Whether that is who they are: no rule is about them.
    pub(crate) fn is_process(&self, user: &Arc<User>) -> bool {
        Arc::ptr_eq(user, &self.process)
    }

    pub(crate) fn default_user(&self) -> Arc<User> {
        Arc::clone(self.users.read().default_user())
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// All users as they are now.
    pub(crate) fn users(&self) -> Users {
        self.users.read().clone()
    }

    /// Writes all users to a file; see [`file::write_users`].
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let _writing = self.writing.lock();
        file::write_users(path, &self.users())
    }

    /// Who comes in with this name and this password.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.users.read().authenticate(name, password).cloned()
    }

    /// Changes users. Reads that are parked must be looked at afterwards, see
    /// [`crate::acl_command::settle`].
    pub(crate) fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Users) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut users = self.users.write();
        let outcome = change(&mut users)?;
        // Whoever sees the new epoch finds the new users, for which they wait here.
        self.epoch.fetch_add(1, Ordering::AcqRel);
        Ok(outcome)
    }

    /// CONFIG SET requirepass: the one password of the user `default`; empty: none is needed.
    pub(crate) fn set_default_password(&self, password: &str) {
        let outcome = self.change(|users| {
            let user = with_password(users.default_user(), password);
            users.put(user);
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = outcome;
    }
}

fn with_password(user: &User, password: &str) -> User {
    // Its hash, since a rule with the password itself may be of any length.
    let rule = format!("#{}", PasswordHash::of(password.as_bytes()).to_hex());
    let rules: &[&[u8]] =
        if password.is_empty() { &[b"nopass"] } else { &[b"resetpass", rule.as_bytes()] };
    user.changed(rules).expect("these rules are always right")
}

/// The user `default` as a password of the settings makes it.
fn default_user(password: &str) -> User {
    let user = with_password(&User::open_default(), password);
    debug_assert_eq!(user.name(), DEFAULT_USER);
    user
}

/// The users that a server starts with: those of its file, and `default` with the password of the
/// settings where the file does not speak of it.
///
/// # Errors
/// [`StartError::Users`]
pub(crate) fn users_at_start(config: &Config) -> Result<Users, StartError> {
    let password = config.requirepass.as_deref().unwrap_or_default();
    let default = default_user(password);
    match &config.acl_file {
        Some(path) => read_users(path, &default)
            .map_err(|error| StartError::Users { path: path.clone(), why: error.to_string() }),
        None => {
            let mut users = Users::default();
            users.put(default);
            Ok(users)
        }
    }
}
