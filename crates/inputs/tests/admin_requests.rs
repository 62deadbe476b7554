//! Requests to the dashboard, changed at random. A program of its own: whatever panics in it, on
//! any thread, is a finding.

#[path = "support/changed_inputs.rs"]
mod changed_inputs;

#[test]
fn admin_requests() {
    changed_inputs::run("admin_api");
}
