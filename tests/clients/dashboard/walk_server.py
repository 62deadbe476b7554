"""What is done on the pages about the server."""

import redis

from harness.checks import equal, holds


def settings_are_found(window, client):
    window.open("/server/settings")
    all_of_them = window.script("return document.querySelectorAll('main tbody tr').length")
    window.type("find", "SLOWLOG")
    window.click_button("Show")
    window.until_text("main", "Show all")
    rows = window.script(
        "return [...document.querySelectorAll('main tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )
    equal(dict(rows), client.config_get("*slowlog*"))
    window.click_link("Show all")
    count = "return document.querySelectorAll('main tbody tr').length"
    window.wait(lambda: window.script(count) == all_of_them, "not all are shown")
    window.is_clean()


def clients_are_found_and_killed(window, client):
    port = client.connection_pool.connection_kwargs["port"]
    names = ["victim-b", "victim-a", "other"]
    others = [redis.Redis(port=port, client_name=name) for name in names]
    ids = dict(zip(names, (other.client_id() for other in others)))
    window.open("/server/clients")
    window.type("find", "victim")
    window.choose("sort", "name")
    window.click_button("Show")
    window.wait(lambda: window.column(2) == ["victim-a", "victim-b"], "both, by their names")
    window.choose("sort", "id")
    window.click_button("Show")
    by_number = sorted([ids["victim-a"], ids["victim-b"]])
    window.wait(lambda: window.column(1) == [str(id) for id in by_number], "by their numbers")
    kill = f"button[aria-label='Kill client {ids['victim-a']}']"
    window.click(kill)
    window.answer(False)
    holds(ids["victim-a"] in known(client), "it was killed in spite of a no")
    window.click(kill)
    window.answer(True)
    window.until_text(".notice", f"Client {ids['victim-a']} was cut off")
    left = known(client)
    equal([name for name in names if ids[name] in left], ["victim-b", "other"])
    window.is_clean()
    for other in others:
        other.close()


def known(client):
    return {int(one["id"]) for one in client.client_list()}


def slow_log_is_forgotten(window, client):
    name = "slowlog-log-slower-than"
    before = client.config_get(name)[name]
    client.config_set(name, 0)
    client.xadd("slow", {"n": "very-slow"})
    # From here on nothing is.
    client.config_set(name, 3_600_000_000)
    try:
        window.open("/server/slow-log")
        window.until_text("#live", "very-slow")
        window.click_button("Forget them")
        window.answer(False)
        holds(client.slowlog_len() > 0, "it was forgotten in spite of a no")
        window.click_button("Forget them")
        window.answer(True)
        window.until_text(".notice", "The slow log was forgotten")
        equal(client.slowlog_len(), 0)
        window.until_text("#live", "Nothing took long")
    finally:
        client.config_set(name, before)
    window.is_clean()


def commands_are_sorted(window, client):
    client.ping()
    window.open("/server/commands")
    window.choose("sort", "calls")
    window.click_button("Show")
    window.until("option[value=calls][selected]")
    calls = [int(text.replace(",", "")) for text in window.column(2)]
    equal(calls, sorted(calls, reverse=True), "by calls")
    window.choose("sort", "name")
    window.click_button("Show")
    window.until("option[value=name][selected]")
    names = window.column(1)
    equal(names, sorted(names), "by name")
    holds("ping" in names, names)
    window.is_clean()


def tabs(window):
    window.open("/server")
    for text, path in [
        ("Settings", "settings"), ("Clients", "clients"), ("Slow log", "slow-log"),
        ("Commands", "commands"),
    ]:
        window.click_link(text)
        window.until(f"nav.tabs a[href='/server/{path}'][aria-current=page]")
    window.click_link("State")
    window.until("nav.tabs a[href='/server'][aria-current=page]")
    window.is_clean()


def walk(report, window, client):
    report.run("server: tabs", lambda: tabs(window))
    report.run("server: settings", lambda: settings_are_found(window, client))
    report.run("server: clients", lambda: clients_are_found_and_killed(window, client))
    report.run("server: slow log", lambda: slow_log_is_forgotten(window, client))
    report.run("server: commands", lambda: commands_are_sorted(window, client))
