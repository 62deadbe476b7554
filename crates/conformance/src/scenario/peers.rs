//! `redis>=8.4`: which servers a directive speaks of.

use std::str::FromStr;

use super::Rules;
use crate::{Family, Program};

/// A family, perhaps bounded by a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PeerRange {
    family: Family,
    bound: Option<(Bound, (u32, u32))>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Since,
    Before,
}

impl PeerRange {
    /// Whether it speaks of this server.
    pub(crate) fn covers(&self, program: &Program) -> bool {
        self.family == program.family
            && match self.bound {
                None => true,
                Some((Bound::Since, version)) => program.version >= version,
                Some((Bound::Before, version)) => program.version < version,
            }
    }

    /// Whether it speaks of our server.
    pub(crate) fn is_ours(&self) -> bool {
        self.family == Family::Millstream
    }
}

impl FromStr for PeerRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, bound) = if let Some((name, version)) = text.split_once(">=") {
            (name, Some((Bound::Since, parse_version(version)?)))
        } else if let Some((name, version)) = text.split_once('<') {
            (name, Some((Bound::Before, parse_version(version)?)))
        } else {
            (text, None)
        };
        let family = match name {
            "redis" => Family::Redis,
            "valkey" => Family::Valkey,
            "millstream" => Family::Millstream,
            _ => return Err(format!("no such server: {name:?}")),
        };
        Ok(Self { family, bound })
    }
}

fn parse_version(text: &str) -> Result<(u32, u32), String> {
    let parts = text
        .split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.ok_or_else(|| format!("{text:?} is not a version such as 8.4"))
}

impl Rules {
    /// Whether the section is true of this server.
    pub(super) fn hold_for(&self, program: &Program) -> bool {
        if self.differs.iter().any(|(range, _)| range.covers(program)) {
            return false;
        }
        if program.family == Family::Millstream {
            return true;
        }
        !self.ours && (self.only.is_empty() || self.only.iter().any(|r| r.covers(program)))
    }
}

#[cfg(test)]
mod tests {
    use super::PeerRange;
    use crate::{Family, Program};

    #[test]
    fn versions_are_compared_by_number() {
        let redis = |minor| Program {
            family: Family::Redis,
            version: (8, minor),
            path: "redis-server".into(),
        };
        let since: PeerRange = "redis>=8.4".parse().expect("well written");
        assert!(since.covers(&redis(10)) && since.covers(&redis(4)) && !since.covers(&redis(2)));
        let before: PeerRange = "redis<8.4".parse().expect("well written");
        assert!(before.covers(&redis(2)) && !before.covers(&redis(4)));
        assert!("redis>=8".parse::<PeerRange>().is_err());
        assert!("disque".parse::<PeerRange>().is_err());
    }
}
