"""The pages of `millstream dashboard` in a real Chromium, over servers of others.

What their servers lack is not offered, and nothing else is missing.
"""

import sys

from harness.checks import Reporter, equal, holds
from harness.elsewhere import dashboard, single
from selenium.webdriver.support.ui import Select
from hostile import hostile_names, put_hostile_names
from served import until_seen
from window import Window

SERVERS = ["redis-8.2", "valkey-9.1"]
PENDING = "/streams/orders/groups/billing/pending"
PAGES = [
    "/", "/streams", "/streams/orders", "/streams/orders/groups/billing", PENDING,
    "/streams/orders/groups/billing/consumers/ada", "/streams/orders/entries/1-1",
    "/dead-letters", "/streams/orders/dead-letters", "/schedule", "/streams/orders/schedule",
    "/server", "/server/settings", "/server/clients", "/server/slow-log", "/server/commands",
]


def fill(client):
    for number in range(1, 20):
        client.xadd("orders", {"order_id": number, "json": '{"a":[1,2]}'}, id=f"{number}-1")
    client.xgroup_create("orders", "billing", id="0")
    client.xreadgroup("billing", "ada", {"orders": ">"}, count=10)
    client.xack("orders", "billing", "10-1")
    put_hostile_names(client)


def looks(window, path, picture):
    window.open(path)
    window.finds_nothing_inaccessible("light")
    window.picture(picture)
    window.phone()
    holds(not window.is_wider_than_its_screen(), "it must be scrolled sideways")
    window.desktop()
    window.is_clean()


def offers_what_there_is(window):
    window.open("/streams/orders/groups/billing")
    holds(not window.all("form[action$='/policy']"), "a policy is offered")
    holds(not window.all("form[action$='/paused']"), "a pause is offered")
    window.open("/streams/orders")
    holds(not window.all("form[action$='/retention']"), "a retention is offered")
    window.is_clean()


def settles(window, client):
    window.open(PENDING)
    window.click("input[name=id][value='1-1']")
    settle = "form#settle"
    Select(window.one(f"{settle} select[name=what]")).select_by_value("acknowledge")
    window.click_button("Settle", within=settle)
    window.until_text(".notice", "1 entry")
    equal(client.xpending("orders", "billing")["pending"], 8)
    window.is_clean()


def hostile(window):
    for name in hostile_names():
        window.open_stream(name)
        window.is_clean()
        holds(window.script("return window.hostile") is None, f"{name!r} ran")


def walk(report, name):
    with single(name) as (server, client), dashboard(server, "--write") as url:
        fill(client)
        until_seen(f"{url}/", "/streams/orders/groups/billing")
        with Window(url) as window:
            for path in PAGES:
                picture = f"{name}{path.replace('/', '-').rstrip('-')}"
                see = lambda path=path, picture=picture: looks(window, path, picture)
                report.run(f"{name}: {path}", see)
            report.run(f"{name}: what there is", lambda: offers_what_there_is(window))
            report.run(f"{name}: settles", lambda: settles(window, client))
            report.run(f"{name}: hostile names", lambda: hostile(window))


def main():
    report = Reporter()
    for name in SERVERS:
        # A server that is not here is one line, and no end of the others.
        try:
            walk(report, name)
        except Exception as error:
            def again(error=error):
                raise error
            report.run(name, again)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
