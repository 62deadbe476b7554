//! Commands on consumer groups and what is pending in them.

use super::Generator;

impl Generator {
    pub(super) fn xreadgroup(&mut self) -> String {
        let (group, consumer) = (self.group(), self.consumer());
        let count = format!("{} {}", self.count(), self.block());
        let noack = self.random.maybe(15, |_| "NOACK".to_owned());
        let claim = if self.features.claim && self.random.chance(25) {
            format!("CLAIM {}", self.idle_ms_min())
        } else {
            String::new()
        };
        let n = 1 + usize::from(self.random.chance(25));
        let keys: Vec<&str> = (0..n).map(|_| self.key()).collect();
        let ids: Vec<String> = (0..n)
            .map(|_| if self.random.chance(75) { ">".to_owned() } else { self.id() })
            .collect();
        let (keys, ids) = (keys.join(" "), ids.join(" "));
        format!("XREADGROUP GROUP {group} {consumer} {count} {noack} {claim} STREAMS {keys} {ids}")
    }

    pub(super) fn xgroup(&mut self) -> String {
        let (key, group, consumer, id) = (self.key(), self.group(), self.consumer(), self.id());
        let id = if self.random.chance(50) { "0".to_owned() } else { id };
        let read = self.random.maybe(20, |r| format!("ENTRIESREAD {}", r.below(9)));
        match self.random.below(10) {
            0..5 => format!("XGROUP CREATE {key} {group} {id} MKSTREAM {read}"),
            5..7 => format!("XGROUP SETID {key} {group} {id} {read}"),
            7 => format!("XGROUP DESTROY {key} {group}"),
            8 => format!("XGROUP CREATECONSUMER {key} {group} {consumer}"),
            _ => format!("XGROUP DELCONSUMER {key} {group} {consumer}"),
        }
    }

    pub(super) fn xack(&mut self) -> String {
        format!("XACK {} {} {}", self.key(), self.group(), self.ids())
    }

    pub(super) fn xclaim(&mut self) -> String {
        let options = match self.random.below(8) {
            0 => format!("IDLE {}", self.age_ms()),
            1 => "TIME @now-22222".to_owned(),
            2 => format!("RETRYCOUNT {}", self.integer()),
            3 => "FORCE".to_owned(),
            4 => "JUSTID FORCE".to_owned(),
            5 => format!("LASTID {}", self.id()),
            6 => format!("IDLE {} RETRYCOUNT {} JUSTID", self.age_ms(), self.integer()),
            _ => String::new(),
        };
        let (key, group, consumer) = (self.key(), self.group(), self.consumer());
        format!("XCLAIM {key} {group} {consumer} {} {} {options}", self.idle_ms_min(), self.ids())
    }

    pub(super) fn xautoclaim(&mut self) -> String {
        let just_id = self.random.maybe(30, |_| "JUSTID".to_owned());
        let (key, group, consumer) = (self.key(), self.group(), self.consumer());
        let start = if self.random.chance(50) { "-".to_owned() } else { self.id() };
        let idle = self.idle_ms_min();
        format!("XAUTOCLAIM {key} {group} {consumer} {idle} {start} {} {just_id}", self.count())
    }

    pub(super) fn xpending(&mut self) -> String {
        let (key, group) = (self.key(), self.group());
        if self.random.chance(40) {
            return format!("XPENDING {key} {group}");
        }
        let idle = self.random.maybe(20, |r| format!("IDLE {}", r.pick(&["10000", "0", "x"])));
        let consumer = if self.random.chance(30) { self.consumer() } else { "" };
        format!("XPENDING {key} {group} {idle} {} {} {consumer}", self.range(), self.integer())
    }

    pub(super) fn with_numids(&mut self) -> String {
        if !self.features.policies {
            return format!("XLEN {}", self.key());
        }
        let (key, group, policy, ids) = (self.key(), self.group(), self.policy(), self.ids());
        let n =
            if self.random.chance(5) { self.integer() } else { ids.split(' ').count().to_string() };
        match self.random.below(2) {
            0 => format!("XDELEX {key} {policy} IDS {n} {ids}"),
            _ => format!("XACKDEL {key} {group} {policy} IDS {n} {ids}"),
        }
    }
}
