//! `/healthz` and `/readyz`.

use crate::site::Site;

#[test]
fn a_server_that_runs_is_alive_and_ready() {
    let site = Site::start(&[]);
    let ready = site.get("/readyz");
    assert_eq!((ready.status, &*ready.text), (200, "ready\n"));
    let alive = site.get("/healthz");
    assert_eq!((alive.status, &*alive.text), (200, "ok\n"));
}

#[test]
fn a_password_and_full_clients_do_not_make_a_server_unhealthy() {
    let site = Site::begin(&["--requirepass", "secret", "--maxclients", "1"]);
    let _only = site.connect();
    site.until("/readyz", |answer| answer.status == 200);
    assert_eq!(site.get_with("/readyz", &[("host", "any.example")]).status, 200);
}
