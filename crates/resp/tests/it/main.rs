//! Tests of the wire protocol through its public interface.
//!
//! `checks` holds the properties, shared with the fuzz targets at the top of the repository.

mod checks;
mod replies;
mod requests;
mod values;
