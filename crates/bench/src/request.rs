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
    bytes.extend_from_slice(format!("*{argument_count}\r\n").as_bytes());
}

/// Adds one argument to a request that was started.
pub fn append_argument(bytes: &mut Vec<u8>, argument: &[u8]) {
    bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
    bytes.extend_from_slice(argument);
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
    }
}
