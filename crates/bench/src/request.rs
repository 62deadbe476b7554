//! Requests as bytes, encoded before the clock starts.

/// `arguments` as a request in the Redis protocol.
pub fn encode<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + arguments.len() * 16);
    append(&mut bytes, arguments);
    bytes
}

/// Appends `arguments` as a request to `bytes`.
pub fn append<A: AsRef<[u8]>>(bytes: &mut Vec<u8>, arguments: &[A]) {
    append_header(bytes, arguments.len());
    for argument in arguments {
        append_argument(bytes, argument.as_ref());
    }
}

/// Starts a request of `argument_count` arguments.
pub fn append_header(bytes: &mut Vec<u8>, argument_count: usize) {
    append_length(bytes, b'*', argument_count);
}

/// Adds one argument to a request that was started.
pub fn append_argument(bytes: &mut Vec<u8>, argument: &[u8]) {
    append_length(bytes, b'$', argument.len());
    bytes.extend_from_slice(argument);
    bytes.extend_from_slice(b"\r\n");
}

/// A line with a length. Written out by hand: clients do this for each entry they acknowledge.
fn append_length(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    let mut rest = length;
    loop {
        first -= 1;
        digits[first] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    bytes.push(kind);
    bytes.extend_from_slice(&digits[first..]);
    bytes.extend_from_slice(b"\r\n");
}

/// One XADD to `stream` with an ID of the server's choice and four pairs, 100 bytes in all.
pub fn add_entry(stream: &str) -> Vec<u8> {
    encode(&[
        "XADD",
        stream,
        "*",
        "order_id",
        "order-000000001234",
        "customer",
        "customer-0000005678",
        "amount",
        "1234.56 EUR",
        "status",
        "pending; waiting to pack",
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_carry_their_lengths() {
        assert_eq!(encode(&["PING", ""]), b"*2\r\n$4\r\nPING\r\n$0\r\n\r\n");
        let long = encode(&["x".repeat(1_205)]);
        assert!(long.starts_with(b"*1\r\n$1205\r\nx"));
    }
}
