//! The toolkit on a Cluster: all that it does elsewhere, and what only a Cluster does.

use millstream::Millstream;
use millstream_conformance::{Cluster, Program};

use crate::place::Place;
use crate::suite::exercise_with;

/// `None`, with a line that says so, where there is no such server.
pub(crate) fn start() -> Option<Cluster> {
    let program = Program::peer("valkey-9.1").expect("find the server")?;
    Some(Cluster::start(&program, 3).expect("start the Cluster"))
}

pub(crate) fn url(cluster: &Cluster) -> String {
    format!("redis+cluster://{}", cluster.hosts())
}

/// With a stream that has this tag.
pub(crate) async fn place(cluster: &Cluster, tag: &str) -> Place {
    let millstream = Millstream::connect(&url(cluster)).await.expect("connect");
    Place::new(millstream, &format!("{{{tag}}}"))
}

#[test]
fn on_a_valkey_cluster() {
    let Some(cluster) = start() else { return };
    exercise_with(async |name| place(&cluster, name).await);
}
