//! What a node thinks of the others: the lines of CLUSTER NODES.

use anyhow::Result;

use super::{ask, text};
use crate::Server;

/// A node as another one sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) id: String,
    /// Id of the primary that it is a replica of.
    pub(super) primary: Option<String>,
    pub(super) is_failing: bool,
}

/// All nodes that this one knows, those left out that it only just heard of.
pub(super) fn roles(node: &Server) -> Result<Vec<Role>> {
    Ok(parse(&text(&ask(node, &["CLUSTER", "NODES"])?)?))
}

/// Whether the node that says this has the slot; by the ranges behind its own line.
pub(super) fn owns(lines: &str, slot: &str) -> bool {
    let Ok(slot) = slot.parse::<u16>() else { return false };
    let own = lines.lines().find(|line| line.contains("myself"));
    let ranges = own.into_iter().flat_map(|line| line.split(' ').skip(8));
    ranges.filter(|range| !range.starts_with('[')).any(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let within = |first, last| (first..=last).contains(&slot);
        first.parse().ok().zip(last.parse().ok()).is_some_and(|(first, last)| within(first, last))
    })
}

fn parse(lines: &str) -> Vec<Role> {
    let role = |line: &str| {
        let mut words = line.split(' ');
        let (id, _address, flags, primary) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let has = |flag: &str| flags.split(',').any(|it| it.trim_end_matches('?') == flag);
        (!has("handshake")).then(|| Role {
            id: id.to_owned(),
            primary: Some(primary.to_owned()).filter(|id| id != "-"),
            is_failing: has("fail") || has("noaddr"),
        })
    };
    lines.lines().filter_map(role).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_who_is_whose_replica_and_who_fails() {
        let lines = "a 127.0.0.1:1@11 myself,master - 0 0 1 connected 0-5460\n\
                     b 127.0.0.1:2@12 slave a 0 0 1 connected\n\
                     c 127.0.0.1:3@13 master,fail? - 0 0 2 connected\n\
                     d 127.0.0.1:4@14 handshake - 0 0 0 disconnected\n";
        let role = |id: &str, primary: Option<&str>, is_failing| Role {
            id: id.to_owned(),
            primary: primary.map(str::to_owned),
            is_failing,
        };
        let all = [role("a", None, false), role("b", Some("a"), false), role("c", None, true)];
        assert_eq!(parse(lines), all);
        assert!(owns(lines, "0") && owns(lines, "5460") && !owns(lines, "5461"));
        let moving = "a x:1@2 myself,master - 0 0 1 connected 7 [8->-b] 10-12";
        let owned: Vec<u16> = (0..20).filter(|slot| owns(moving, &slot.to_string())).collect();
        assert_eq!(owned, [7, 10, 11, 12]);
    }
}
