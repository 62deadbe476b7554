//! The store within the process.
