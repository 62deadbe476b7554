//! LOLWUT: a picture, and the version.

use millstream_command::Reply;
use millstream_command::integer::{NOT_AN_INTEGER, parse_i64};

use crate::shared::REDIS_VERSION;

const MILL: &str = r"
                  _______
                 /       \__
                /   /\      \_____
               /___/__\___________\
               |   ____      _    |
           .-------|  |     |_|   |
         .' \ | / '.  |           |
        | ---(o)--- |_|___________|
    ~~~~ '. / | \ .'~~~~~~~~~~~~~~~~~~~
      ~~~~~`-----'~~~~~~ ~~~~~~~~  ~~~~~~
          ~~~~~~~~   ~~~~~~~~~~~~~    ~~~~~~

  The mill cannot grind with the water that is past,
  unless it was appended to a stream.
";

/// LOLWUT [VERSION n] [...]: one picture for all versions.
pub(crate) fn lolwut(args: &[&[u8]]) -> Reply {
    if let [_, word, version, ..] = args
        && word.eq_ignore_ascii_case(b"VERSION")
        && parse_i64(version).is_none()
    {
        return Reply::error(NOT_AN_INTEGER);
    }
    let version = env!("CARGO_PKG_VERSION");
    Reply::Verbatim(format!("{MILL}\nMillstream ver. {version} (Redis ver. {REDIS_VERSION})\n"))
}
