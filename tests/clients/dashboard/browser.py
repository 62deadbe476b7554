"""Every page of the dashboard in a real Chromium, against a server under load.

Of each page (pages.py): nothing on the browser's console, nothing asked of other hosts, no serious
finding of axe-core, a picture (light, dark, as a phone shows it) below `target/dashboard/`. What
people do there (walk_*.py) is done by its buttons, and seen to have happened on the server.
"""

import sys

from selenium.webdriver.common.keys import Keys

import walk_entries
import walk_groups
import walk_hostile
import walk_letter_jobs
import walk_letters
import walk_pending
import walk_schedule
import walk_server
import walk_streams
from harness.checks import Reporter, equal, holds
from hostile import put_hostile_names
from load import Load
from pages import BILLING, looks, put_parcels
from served import site, until_seen
from window import Window

WALKS = [
    walk_entries, walk_groups, walk_pending, walk_letters, walk_letter_jobs, walk_schedule,
    walk_server, walk_hostile,
]

PASSWORD = "a-long-enough-secret"


def stays_fresh(window, client):
    client.xadd("marks", {"mark": "seen-at-once"})
    window.open("/streams/marks")
    client.xadd("marks", {"mark": "seen-without-reloading"})
    window.until_text("#live", "seen-without-reloading")
    window.click("#live-pause")
    client.xadd("marks", {"mark": "while-paused"})
    window.until_text("#live-state", "paused")
    holds("while-paused" not in window.one("#live").text, "it goes on while paused")
    window.click("#live-pause")
    window.until_text("#live", "while-paused")
    window.is_clean()


def by_keyboard(window):
    """The first stop skips the navigation; each stop can be seen."""
    window.open("/")
    window.press(Keys.TAB)
    equal(window.focused().text, "To the content")
    window.press(Keys.ENTER)
    equal(window.focused().get_attribute("id"), "content")
    window.open("/")
    names = []
    for _ in range(8):
        window.press(Keys.TAB)
        focused = window.focused()
        names.append(focused.text)
        outline = focused.value_of_css_property("outline-style")
        holds(outline != "none", f"{focused.text!r} has no outline")
    holds("Streams" in names and "Server" in names, names)


def login(report, window):
    with site(password=PASSWORD) as (url, client):
        client.xadd("orders", {"n": 1})
        window.url = url

        def enters():
            window.open("/streams", waits_for="input[name=password]")
            window.finds_nothing_inaccessible("login")
            window.picture("login")
            window.type("password", "wrong")
            window.click_button("Log in")
            window.until_text("[role=alert]", "does not let you in")
            # Its own console line about the refusal is the browser's.
            window.forget_console()
            window.type("password", PASSWORD)
            window.click_button("Log in")
            window.until_text("h1", "Streams")
            window.is_clean()

        def leaves():
            window.click_button("Log out")
            window.until("input[name=password]")

        report.run("login", enters)
        report.run("logout", leaves)


def without_scripts(window):
    window.scripts(False)
    window.open(BILLING)
    holds("Not delivered yet" in window.one("#live").text, "the page is there")
    holds(window.one("#live-pause").is_displayed() is False, "a button that does nothing is shown")
    window.scripts(True)


def main():
    report = Reporter()
    with site("--admin-write") as (url, client), Load(client) as load, Window(url) as window:
        put_hostile_names(client)
        put_parcels(client)
        until_seen(f"{url}/", BILLING)
        until_seen(f"{url}/dead-letters", "orders")
        until_seen(f"{url}/schedule", "parcels")
        ids = {"letter": client.xrange("orders:dlq", count=1)[0][0].decode()}
        ids["kept"] = client.xrange("orders", count=1)[0][0].decode()
        looks(report, window, ids)
        report.run("stays fresh", lambda: stays_fresh(window, client))
        report.run("by keyboard", lambda: by_keyboard(window))
        for walk in WALKS:
            walk.walk(report, window, client)
        # The last, for it fills the lists.
        walk_streams.walk(report, window, client, url)
        report.run("without scripts", lambda: without_scripts(window))
        report.run("the load went on", load.is_well)
        login(report, window)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
