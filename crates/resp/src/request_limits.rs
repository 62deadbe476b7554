//! What a client may send, checked before anything is reserved for it.

use crate::ProtocolError;

/// Bounds of one request. `Default` gives Redis' values for a client that has logged in.
///
/// While `unauthenticated` is set, pass `count_max` 1 to the parser: a pipelined `AUTH` has to run
/// before the next request is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// Longest argument in bytes (`proto-max-bulk-len`).
    pub bulk_bytes_max: u64,
    /// Most arguments of one request. Memory follows what has arrived, not this number.
    pub args_max: u32,
    /// Longest inline command, and longest `*` or `$` line, in bytes without the line end.
    pub inline_bytes_max: usize,
    /// Largest request in bytes, framing included (`client-query-buffer-limit`).
    pub request_bytes_max: u32,
    /// The client has not logged in where it must: 10 arguments of 16,384 bytes, 1 MiB in all.
    /// Inline commands are not held to the first two, as in Redis.
    pub unauthenticated: bool,
}

impl Default for RequestLimits {
    fn default() -> Self {
        RequestLimits {
            bulk_bytes_max: 512 * 1024 * 1024,
            args_max: i32::MAX as u32,
            inline_bytes_max: 64 * 1024,
            request_bytes_max: 1024 * 1024 * 1024,
            unauthenticated: false,
        }
    }
}

impl RequestLimits {
    /// Most arguments of one request before the client has logged in.
    pub const UNAUTHENTICATED_ARGS_MAX: u32 = 10;
    /// Longest argument, in bytes, before the client has logged in.
    pub const UNAUTHENTICATED_BULK_BYTES_MAX: u64 = 16_384;
    /// Largest request, in bytes, before the client has logged in.
    pub const UNAUTHENTICATED_REQUEST_BYTES_MAX: u32 = 1024 * 1024;

    /// The number of arguments behind a `*`; 0 for the counts to be ignored (0 and below).
    pub(crate) fn check_args(&self, count: Option<i64>) -> Result<u32, ProtocolError> {
        let count = count.ok_or(ProtocolError::InvalidMultibulkLength)?;
        let Ok(count) = u32::try_from(count.max(0)) else {
            return Err(ProtocolError::InvalidMultibulkLength);
        };
        if count > self.args_max {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if self.unauthenticated && count > Self::UNAUTHENTICATED_ARGS_MAX {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        Ok(count)
    }

    /// The length behind a `$`.
    pub(crate) fn check_bulk(&self, length: Option<i64>) -> Result<u64, ProtocolError> {
        let length = length.and_then(|length| u64::try_from(length).ok());
        let length = length.ok_or(ProtocolError::InvalidBulkLength)?;
        if length > self.bulk_bytes_max {
            return Err(ProtocolError::InvalidBulkLength);
        }
        if self.unauthenticated && length > Self::UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(length)
    }

    /// Longest argument that passes [`RequestLimits::check_bulk`].
    pub(crate) fn bulk_bytes_allowed(&self) -> u64 {
        let unauthenticated_max =
            if self.unauthenticated { Self::UNAUTHENTICATED_BULK_BYTES_MAX } else { u64::MAX };
        self.bulk_bytes_max.min(unauthenticated_max)
    }

    /// Largest request that is accepted, in bytes.
    pub(crate) fn request_bytes_allowed(&self) -> u64 {
        let unauthenticated_max =
            if self.unauthenticated { Self::UNAUTHENTICATED_REQUEST_BYTES_MAX } else { u32::MAX };
        u64::from(self.request_bytes_max.min(unauthenticated_max))
    }
}
