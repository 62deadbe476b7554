//! Commands on keys as such, on strings and on times to live.

use super::{Generator, STRING_KEYS};

/// Unix times in seconds, far ahead and far apart.
const FAR_TIMES_S: [&str; 3] = ["4102444800", "4102448400", "5000000000"];
const BAD_TIMES: [&str; 5] = ["0", "-1", "x", "9223372036854775807", "1.5"];

impl Generator {
    /// What makes and removes keys; `f` stays.
    pub(super) fn keyspace(&mut self) -> String {
        let (a, b) = (self.random.pick(&["a", "b", "none"]), self.random.pick(&["a", "b"]));
        let (a, b) = if self.random.chance(15) { ("s", "t") } else { (a, b) };
        match self.random.below(18) {
            12 => format!("MOVE {a} {}", self.random.pick(&["1", "1", "0", "16", "x"])),
            13 => format!("COPY {a} {b} DB {}", self.random.pick(&["1", "1", "0", "16"])),
            14 => format!("TOUCH {a} {b} none"),
            15 => self.object(a),
            16 | 17 => self.several_strings(),
            0 => format!("DEL {a}"),
            1 | 2 => format!("RENAME {a} {b}"),
            3 => format!("COPY {a} {b}"),
            4 => format!("COPY {a} {b} REPLACE"),
            5 => format!("TYPE {a}"),
            6 => format!("EXISTS {a} {b} {a}"),
            7 => format!("XLEN {a}"),
            8 => format!("RENAMENX {a} {b}"),
            9 if !self.in_multi => self.scan(),
            10 => "DBSIZE".to_owned(),
            _ => format!("UNLINK {a} {b}"),
        }
    }

    fn object(&mut self, key: &str) -> String {
        let what = self.random.pick(&["ENCODING", "REFCOUNT", "FREQ", "FOO"]);
        // Texts as long as they are embedded in one server and not in another are never set.
        format!("OBJECT {what} {key}")
    }

    fn several_strings(&mut self) -> String {
        let (a, b) = (self.string_key(), self.string_key());
        let (v, w) = (self.value(), self.value());
        match self.random.below(4) {
            0 => format!("MGET {a} {b} none"),
            1 => format!("MSET {a} {v} {b} {w}"),
            2 => format!("MSETNX {a} {v} {b} {w}"),
            _ => format!("MSET {a} {v} {b}"),
        }
    }

    /// Whole in one reply, and compared without regard to order.
    fn scan(&mut self) -> String {
        let pattern = self.random.pick(&["*", "[a-f]", "?", "[^s]", "none", "a*"]);
        let kind = self.random.pick(&["", "TYPE stream", "TYPE string", "TYPE list", "TYPE"]);
        match self.random.below(3) {
            0 => format!("KEYS {pattern}"),
            1 => format!("SCAN 0 COUNT 1000 MATCH {pattern} {kind}"),
            _ => format!("SCAN {} COUNT {}", self.random.pick(&["0", "x", "-1"]), "1000"),
        }
    }

    pub(super) fn string_or_expiry(&mut self) -> String {
        match self.random.below(13) {
            10..13 => self.older_forms(),
            0..3 => self.set(),
            3 => format!("GET {}", self.string_key()),
            4 => self.number(),
            5..8 => self.expire(),
            8 => format!("PERSIST {}", self.any_key()),
            _ if self.in_multi => format!("GET {}", self.string_key()),
            _ => {
                let command = self.random.pick(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]);
                format!("{command} {}", self.any_key())
            }
        }
    }

    /// Mostly a string's. Never `f`, whose last ID has to stay.
    fn string_key(&mut self) -> &'static str {
        if self.random.chance(8) { "a" } else { self.random.pick(&STRING_KEYS) }
    }

    fn any_key(&mut self) -> &'static str {
        self.random.pick(&["a", "b", "s", "t", "none"])
    }

    fn number(&mut self) -> String {
        let key = self.string_key();
        let by = self.random.pick(&["1", "-7", "x", "9223372036854775807", "-9223372036854775808"]);
        match self.random.below(5) {
            0 => format!("INCR {key}"),
            1 => format!("DECR {key}"),
            2 => format!("INCRBY {key} {by}"),
            3 => format!("DECRBY {key} {by}"),
            _ => {
                let by = self.random.pick(&["0.1", "-2.5e3", "1e18", "5", "inf", "x", "3.333"]);
                format!("INCRBYFLOAT {key} {by}")
            }
        }
    }

    /// What SET and GET have as options, and what makes strings longer.
    fn older_forms(&mut self) -> String {
        let (key, value) = (self.string_key(), self.value());
        match self.random.below(9) {
            0 => format!("SETNX {key} {value}"),
            1 | 2 => {
                let (unit, time) = self.lifetime();
                format!("{} {key} {time} {value}", ["SETEX", "PSETEX", "SETEX", "PSETEX"][unit])
            }
            3 => format!("GETSET {key} {value}"),
            4 => format!("GETDEL {key}"),
            5 => {
                let (unit, time) = self.lifetime();
                format!("GETEX {key} {} {time}", ["EX", "PX", "EXAT", "PXAT"][unit])
            }
            6 => format!("GETEX {key} {}", self.random.pick(&["", "PERSIST", "EX", "FOO"])),
            7 => format!("STRLEN {key}"),
            _ => format!("APPEND {key} {value}"),
        }
    }

    fn set(&mut self) -> String {
        let key = self.string_key();
        let mut text = format!("SET {key} {}", self.value());
        for _ in 0..self.random.below(4) {
            let option = match self.random.below(8) {
                0 => "NX".to_owned(),
                1 => "XX".to_owned(),
                2 | 3 => "GET".to_owned(),
                4 => "KEEPTTL".to_owned(),
                5 if self.features.claim => self.comparison(),
                _ => {
                    let (unit, time) = self.lifetime();
                    format!("{} {time}", ["EX", "PX", "EXAT", "PXAT"][unit])
                }
            };
            text = format!("{text} {option}");
        }
        text
    }

    /// IFEQ and its like came with Redis 8.4, as CLAIM did.
    fn comparison(&mut self) -> String {
        // Of "v", of nothing, and of nothing that there is.
        const DIGESTS: [&str; 3] = ["f7042be43fb80714", "2d06800538d394c2", "111111111111111g"];
        match self.random.below(4) {
            0 => format!("IFEQ {}", self.value()),
            1 => format!("IFNE {}", self.value()),
            2 => format!("IFDEQ {}", self.random.pick(&DIGESTS)),
            _ => format!("IFDNE {}", self.random.pick(&DIGESTS)),
        }
    }

    fn value(&mut self) -> &'static str {
        self.random.pick(&["v", "v", "w", "''", "5", "9223372036854775807"])
    }

    fn expire(&mut self) -> String {
        let (unit, time) = self.lifetime();
        let command = ["EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT"][unit];
        let conditions = self.random.pick(&[
            "", "", "", "NX", "XX", "GT", "LT", "XX GT", "XX LT", "NX XX", "GT LT", "NX GT", "FOO",
        ]);
        format!("{command} {} {time} {conditions}", self.any_key())
    }

    /// 0 to 3 for seconds, milliseconds, Unix seconds, Unix milliseconds; and a time, either far
    /// ahead or over.
    fn lifetime(&mut self) -> (usize, String) {
        let unit = self.random.below(4);
        if self.random.chance(12) {
            return (unit, self.random.pick(&BAD_TIMES).to_owned());
        }
        if unit >= 2 {
            let seconds = self.random.pick(&FAR_TIMES_S);
            return (unit, format!("{seconds}{}", if unit == 3 { "000" } else { "" }));
        }
        self.relative_times += 1;
        let seconds = 100 + self.relative_times * 7919 % 10_007 * 10;
        (unit, format!("{seconds}{}", if unit == 1 { "000" } else { "" }))
    }
}
