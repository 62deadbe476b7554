//! Command sequences from a seed.

mod groups;
mod keyspace;

use super::random::Random;
use crate::Program;

/// One command. `''` never occurs: an empty word is an empty argument. Those of the second
/// connection begin with [`SECOND`].
pub(super) type Command = Vec<String>;
/// In front of a command that goes over the second connection, as scenarios are written.
pub(super) const SECOND: &str = "c2>";

/// What both servers have.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// KEEPREF, DELREF, ACKED as 8.6 treats them, XDELEX, XACKDEL.
    pub policies: bool,
    /// XREADGROUP CLAIM.
    pub claim: bool,
    /// XADD IDMP and IDMPAUTO, XCFGSET.
    pub idmp: bool,
}

impl Features {
    /// What two servers have in common.
    pub fn common(a: &Program, b: &Program) -> Self {
        let since = |version| a.is_redis_since(version) && b.is_redis_since(version);
        Self { policies: since((8, 6)), claim: since((8, 4)), idmp: since((8, 6)) }
    }
}

/// The keys of streams; the last one is [`FUTURE`]'s.
pub(super) const KEYS: [&str; 3] = ["a", "b", "f"];
/// The keys of strings, which meet streams now and then.
pub(super) const STRING_KEYS: [&str; 2] = ["s", "t"];
/// The groups in use.
pub(super) const GROUPS: [&str; 2] = ["g", "h"];
const CONSUMERS: [&str; 3] = ["x", "y", "z"];
/// The first entry of key `f`: so far ahead that no clock draws an ID behind it.
pub(super) const FUTURE: &str = "9999999999999-0";

const BAD_IDS: [&str; 11] = [
    "-",
    "+",
    "bad",
    "''",
    "5-",
    "(1-1",
    "$",
    ">",
    "0-0",
    "18446744073709551615-18446744073709551615",
    "007",
];
const BAD_INTEGERS: [&str; 7] = ["x", "-1", "0", "007", "''", "9223372036854775808", "1.5"];

/// `length` commands, and before them those that make the future key.
pub(super) fn sequence(seed: u64, length: usize, features: Features) -> Vec<Command> {
    let random = Random::new(seed);
    let on_strings = seed % 8 == 7;
    let mut g = Generator {
        random,
        features,
        on_strings,
        in_multi: false,
        on_future: false,
        top_ms: 0,
        relative_times: 0,
    };
    let mut commands = vec![words(&format!("XADD f {FUTURE} f v"))];
    // Without a group most commands find nothing to do.
    for key in KEYS {
        for (group, percent) in GROUPS.into_iter().zip([85, 30]) {
            if g.random.chance(percent) {
                let id = g.random.pick(&["0", "0", "$", "2"]);
                commands.push(words(&format!("XGROUP CREATE {key} {group} {id} MKSTREAM")));
            }
        }
    }
    while commands.len() < length {
        if g.random.chance(3) {
            let watch = g.random.maybe(30, |r| format!("WATCH {}", r.pick(&KEYS)));
            if !watch.is_empty() {
                commands.push(words(&watch));
                let mut between = g.command();
                if g.random.chance(60) {
                    between.insert(0, SECOND.to_owned());
                }
                commands.push(between);
            }
            commands.push(words("MULTI"));
            g.in_multi = true;
            for _ in 0..=g.random.below(4) {
                commands.push(g.command());
            }
            g.in_multi = false;
            commands.push(words(g.random.pick(&["EXEC", "EXEC", "EXEC", "DISCARD"])));
        } else if g.random.chance(4) {
            let mut command = g.command();
            command.insert(0, SECOND.to_owned());
            commands.push(command);
        } else {
            commands.push(g.command());
        }
    }
    commands
}

/// Splits at blanks; `''` is an empty argument.
fn words(text: &str) -> Command {
    let word = |word: &str| if word == "''" { String::new() } else { word.to_owned() };
    text.split_whitespace().map(word).collect()
}

struct Generator {
    random: Random,
    features: Features,
    /// Half of all commands are about strings and times to live.
    on_strings: bool,
    /// Between MULTI and EXEC, where replies come in one array.
    in_multi: bool,
    /// The key last drawn was `f`, whose IDs are others.
    on_future: bool,
    /// The first half of the IDs that are added now; it grows slowly.
    top_ms: usize,
    /// How many relative times were used: each is another, so that GT and LT never compare two that
    /// differ by the milliseconds between the servers.
    relative_times: u64,
}

impl Generator {
    fn command(&mut self) -> Command {
        let text = match self.random.below(100) {
            _ if self.on_strings && self.random.chance(50) => self.string_or_expiry(),
            0..22 => self.xadd(),
            22..42 => self.xreadgroup(),
            42..50 => self.xgroup(),
            50..56 => self.xack(),
            56..60 => self.xdel(),
            60..64 => self.xtrim(),
            64..70 => self.xclaim(),
            70..75 => self.xautoclaim(),
            75..80 => self.xpending(),
            80..84 => self.xrange(),
            84..87 => self.xread(),
            87..90 => self.xsetid(),
            90..94 => self.xinfo(),
            94..95 => self.keyspace(),
            95..97 => self.string_or_expiry(),
            97..98 if self.features.idmp => self.xcfgset(),
            _ => self.with_numids(),
        };
        let mut command = words(&text);
        // A word too many or too few, now and then.
        if self.random.chance(2) && command.len() > 2 {
            let at = 2 + self.random.below(command.len() - 2);
            command.remove(at);
        } else if self.random.chance(1) {
            command
                .push(self.random.pick(&["FORCE", "1-1", "COUNT", "''"]).trim_matches('\'').into());
        }
        command
    }

    fn key(&mut self) -> &'static str {
        let key = match self.random.below(100) {
            0..3 => "none",
            3..4 => self.random.pick(&STRING_KEYS),
            _ => self.random.pick(&KEYS),
        };
        self.on_future = key == "f";
        key
    }

    fn group(&mut self) -> &'static str {
        match self.random.below(100) {
            0..3 => "nogroup",
            3..25 => GROUPS[1],
            _ => GROUPS[0],
        }
    }

    fn consumer(&mut self) -> &'static str {
        self.random.pick(&CONSUMERS)
    }

    fn id(&mut self) -> String {
        if self.random.chance(4) {
            return self.random.pick(&BAD_IDS).to_owned();
        }
        if self.random.chance(if self.on_future { 90 } else { 5 }) {
            return format!("9999999999999-{}", self.random.below(12));
        }
        let ms = self.random.below(self.top_ms + 3);
        format!("{ms}-{}", self.seq())
    }

    fn seq(&mut self) -> &'static str {
        self.random.pick(&["0", "0", "0", "1", "2"])
    }

    /// Above all that were added, mostly.
    fn next_id(&mut self) -> String {
        self.top_ms += usize::from(self.random.chance(70));
        let seq = self.seq();
        format!("{}-{seq}", self.top_ms)
    }

    fn ids(&mut self) -> String {
        (0..=self.random.below(4)).map(|_| self.id()).collect::<Vec<_>>().join(" ")
    }

    fn integer(&mut self) -> String {
        if self.random.chance(4) {
            return self.random.pick(&BAD_INTEGERS).to_owned();
        }
        self.random.below(12).to_string()
    }

    fn count(&mut self) -> String {
        if self.random.chance(40) { format!("COUNT {}", self.integer()) } else { String::new() }
    }

    /// Never for ever: what blocks runs on after a millisecond or what the server makes of it.
    fn block(&mut self) -> String {
        let percent = if self.in_multi { 25 } else { 2 };
        let times = ["1", "1", "1", "-1", "x", "1.5"];
        self.random.maybe(percent, |random| format!("BLOCK {}", random.pick(&times)))
    }

    /// Ages that lie seconds apart from every minimal idle time.
    fn age_ms(&mut self) -> &'static str {
        self.random.pick(&["0", "20000", "2000000"])
    }

    fn idle_ms_min(&mut self) -> &'static str {
        self.random.pick(&["0", "0", "10000", "1000000", "-5", "x", "9000000000"])
    }

    fn policy(&mut self) -> &'static str {
        if self.features.policies && self.random.chance(40) {
            self.random.pick(&["KEEPREF", "DELREF", "ACKED"])
        } else {
            ""
        }
    }

    fn trimming(&mut self) -> String {
        let sign = self.random.pick(&["", "", "=", "~"]);
        let limit = self
            .random
            .maybe(if sign == "~" { 40 } else { 3 }, |r| format!("LIMIT {}", r.below(5)));
        if self.random.chance(60) {
            format!("MAXLEN {sign} {} {limit}", self.integer())
        } else {
            format!("MINID {sign} {} {limit}", self.id())
        }
    }

    fn xadd(&mut self) -> String {
        let key = self.key();
        let trimming = if self.random.chance(12) { self.trimming() } else { String::new() };
        let policy = self.policy();
        let nomkstream = self.random.maybe(10, |_| "NOMKSTREAM".to_owned());
        let (idmp, id) = if key == "f" && self.random.chance(80) {
            let idmp = self.features.idmp && self.random.chance(40);
            (if idmp { self.idmp() } else { String::new() }, "*".to_owned())
        } else if self.random.chance(15) {
            self.top_ms += usize::from(self.random.chance(30));
            (String::new(), format!("{}-*", self.top_ms))
        } else if self.random.chance(75) {
            (String::new(), self.next_id())
        } else {
            (String::new(), self.id())
        };
        // With the last ID of all, Redis keeps an empty producer for an IDMP that is refused.
        let id = if key == "f" && id == BAD_IDS[9] { BAD_IDS[2].to_owned() } else { id };
        let pairs = self.random.pick(&["f v", "f v g w", "g 1", "f '' g ''"]);
        format!("XADD {key} {nomkstream} {trimming} {policy} {idmp} {id} {pairs}")
    }

    fn idmp(&mut self) -> String {
        let producer = self.random.pick(&["p", "q", "''"]);
        match self.random.below(2) {
            0 => format!("IDMPAUTO {producer}"),
            _ => format!("IDMP {producer} {}", self.random.pick(&["i", "j", "k", "l"])),
        }
    }

    fn xdel(&mut self) -> String {
        format!("XDEL {} {}", self.key(), self.ids())
    }

    fn xtrim(&mut self) -> String {
        format!("XTRIM {} {} {}", self.key(), self.trimming(), self.policy())
    }

    fn range(&mut self) -> String {
        if self.random.chance(40) {
            "- +".to_owned()
        } else {
            format!("{} {}", self.bound(), self.bound())
        }
    }

    fn bound(&mut self) -> String {
        let open = if self.random.chance(20) { "(" } else { "" };
        format!("{open}{}", self.id().trim_matches('\''))
    }

    fn xrange(&mut self) -> String {
        let command = self.random.pick(&["XRANGE", "XREVRANGE"]);
        format!("{command} {} {} {}", self.key(), self.range(), self.count())
    }

    fn xread(&mut self) -> String {
        let (count, a, b) = (self.count(), self.key(), self.key());
        let count = format!("{count} {}", self.block());
        let last = self.random.pick(&["0", "$", "+", "3"]);
        format!("XREAD {count} STREAMS {a} {b} {} {last}", self.id())
    }

    fn xsetid(&mut self) -> String {
        let added = self.random.maybe(30, |r| format!("ENTRIESADDED {}", r.below(30)));
        let deleted = if self.random.chance(30) {
            format!("MAXDELETEDID {}", self.id())
        } else {
            String::new()
        };
        self.on_future = false;
        let id = if self.random.chance(60) { self.next_id() } else { self.id() };
        // Key `f` keeps its last ID in the future.
        format!("XSETID {} {id} {added} {deleted}", self.random.pick(&["a", "b", "a", "none"]))
    }

    fn xinfo(&mut self) -> String {
        match self.random.below(4) {
            0 => format!("XINFO GROUPS {}", self.key()),
            1 => format!("XINFO CONSUMERS {} {}", self.key(), self.group()),
            2 => format!("XINFO STREAM {}", self.key()),
            _ => format!("XINFO STREAM {} FULL {}", self.key(), self.count()),
        }
    }

    fn xcfgset(&mut self) -> String {
        let size = self.random.pick(&["1", "2", "3", "100", "0", "x"]);
        format!("XCFGSET {} IDMP-MAXSIZE {size}", self.key())
    }
}

#[cfg(test)]
mod tests {
    use super::{Features, sequence};

    #[test]
    fn a_seed_is_a_sequence() {
        let all = Features { policies: true, claim: true, idmp: true };
        assert_eq!(sequence(7, 100, all), sequence(7, 100, all));
        assert_ne!(sequence(7, 100, all), sequence(8, 100, all));
    }

    #[test]
    fn what_a_server_lacks_is_not_asked() {
        let none = Features { policies: false, claim: false, idmp: false };
        let newer = ["CLAIM", "IDMP", "IDMPAUTO", "DELREF", "ACKED", "XDELEX", "XCFGSET"];
        for seed in 0..50 {
            let commands = sequence(seed, 100, none);
            assert!(!commands.iter().flatten().any(|word| newer.contains(&word.as_str())));
        }
    }
}
