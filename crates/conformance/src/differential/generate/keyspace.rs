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
        match self.random.below(12) {
            0 => format!("DEL {a}"),
            1 | 2 => format!("RENAME {a} {b}"),
            3 if self.features.copy => format!("COPY {a} {b}"),
            4 if self.features.copy => format!("COPY {a} {b} REPLACE"),
            5 => format!("TYPE {a}"),
            6 => format!("EXISTS {a} {b} {a}"),
            7 => format!("XLEN {a}"),
            8 => format!("RENAMENX {a} {b}"),
            9 if !self.in_multi => self.scan(),
            10 => "DBSIZE".to_owned(),
            _ => format!("UNLINK {a} {b}"),
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
        match self.random.below(10) {
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
        format!("INCR {}", self.string_key())
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
