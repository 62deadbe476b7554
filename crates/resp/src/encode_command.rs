//! A request as clients send it.

use crate::reply_writer::write_header;

/// Appends a command with its arguments to `out`, the name first.
///
/// ```
/// let mut out = Vec::new();
/// millstream_resp::encode_command(["XLEN", "orders"], &mut out);
/// assert_eq!(out, b"*2\r\n$4\r\nXLEN\r\n$6\r\norders\r\n");
/// ```
pub fn encode_command<I>(args: I, out: &mut Vec<u8>)
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
{
    let args = args.into_iter();
    write_header(out, b'*', args.len());
    for arg in args {
        let arg = arg.as_ref();
        write_header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}
