//! `record PEER FILE...`: fills in the replies that scenarios leave open with a `?`.

use std::env;
use std::path::Path;

use anyhow::{Context, Result, bail};
use millstream_conformance::{Program, Server, scenario::record::record};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let Some(peer) = arguments.next() else { bail!("usage: record PEER FILE...") };
    let program = Program::named(&peer)?.context("no such server here")?;
    let server = Server::start(&program)?;
    for file in arguments {
        let filled = record(&server, Path::new(&file)).with_context(|| file.clone())?;
        println!("{file}: {filled} replies recorded");
    }
    Ok(())
}
