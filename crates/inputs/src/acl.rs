//! Arbitrary bytes as a file of users, and as the rules of ACL SETUSER.

use millstream_acl::{Request, User, Users};
use millstream_command::table;

/// The first byte of an input whose rest is a file.
const FILE: u8 = b'f';
/// Rules after this are left out: the user is made anew after each of them.
const RULES_MAX: usize = 64;
/// What every user is asked for: the answer does not matter, only that there is one.
const REQUESTS: [&[&[u8]]; 4] = [
    &[b"XADD", b"orders:1", b"*", b"field", b"value"],
    &[b"XREADGROUP", b"GROUP", b"g", b"c", b"STREAMS", b"s", b"t", b">", b">"],
    &[b"COPY", b"from", b"to", b"DB", b"3"],
    &[b"SELECT", b"1"],
];

/// A file behind the letter `f`; behind any other byte rules, one a line, so that there may be
/// blanks in them. Refused with a reason, or users that are the same once written and read again.
///
/// # Panics
/// If neither.
pub fn check_acl(data: &[u8]) -> bool {
    match data.split_first() {
        Some((&FILE, text)) => check_file(text),
        Some((_, rules)) => {
            let rules: Vec<&[u8]> = rules.split(|byte| *byte == b'\n').take(RULES_MAX).collect();
            [User::new(b"somebody"), User::open_default()].map(|user| check_rules(&user, &rules))[0]
        }
        None => false,
    }
}

fn check_file(text: &[u8]) -> bool {
    match Users::read(text, &User::open_default()) {
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            let line_count = text.split(|byte| *byte == b'\n').count();
            for error in errors {
                assert!((1..=line_count).contains(&error.line), "{error}");
                assert!(!error.to_string().is_empty());
            }
            false
        }
        Ok(users) => {
            let written = users.write();
            // All of them stand in what is written: who `default` would else be does not matter.
            let nobody = User::new(users.default_user().name());
            assert_eq!(Users::read(&written, &nobody).as_ref(), Ok(&users));
            users.iter().for_each(|user| check_requests(user));
            // One more than `default`, which is always there.
            users.iter().count() > 1
        }
    }
}

/// Whether all of them were right.
fn check_rules(before: &User, rules: &[&[u8]]) -> bool {
    // One after the other they come to the same, as long as each stands for itself.
    let one_by_one = rules.iter().try_fold(before.clone(), |user, rule| user.changed(&[rule]));
    match before.changed(rules) {
        Err(error) => {
            assert!(!error.text("Error").is_empty() && !error.to_string().is_empty());
            assert!(one_by_one.is_err(), "{error}");
            false
        }
        Ok(user) => {
            assert!(one_by_one.is_err() || one_by_one.as_ref() == Ok(&user));
            assert_eq!(user.name(), before.name());
            let mut users = Users::default();
            users.put(user.clone());
            let read = Users::read(&users.write(), &User::open_default());
            assert_eq!(read.as_ref(), Ok(&users));
            check_requests(&user);
            true
        }
    }
}

/// Who is not held up by anything may run everything.
fn check_requests(user: &User) {
    for args in REQUESTS {
        let spec = table::resolve(args).expect("a command with its arguments");
        let answer = user.check(&Request { spec, args, db: 2 });
        assert!(answer.is_ok() || !user.is_unrestricted(), "{answer:?}");
    }
    let shown: Vec<_> = user.selectors().collect();
    assert!(!shown.is_empty(), "its own selector is always there");
}
