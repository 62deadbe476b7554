"""Every page of the dashboard in a real Chromium, against a server under load.

Of each page: nothing on the browser's console, nothing asked of other hosts, no serious finding of
axe-core, a picture (light, dark, as a phone shows it) below `target/dashboard/`. What people do
there is done by its buttons, and seen to have happened on the server.
"""

import sys

from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from harness.checks import Reporter, equal, holds
from hostile import hostile_names, put_hostile_names
from load import Load
from served import site, until_seen
from window import Window

ORDERS = "/streams/orders"
BILLING = "/streams/orders/groups/billing"
PASSWORD = "a-long-enough-secret"
# Path, what its title begins with, name of the picture.
PAGES = [
    ("/", "Overview", "overview"),
    ("/streams", "Streams", "streams"),
    (ORDERS, "orders", "stream"),
    (BILLING, "billing", "group"),
]


def looks(report, window):
    """Each page as it is: in light, in dark, on a phone."""
    for path, title, picture in PAGES:
        def look(path=path, title=title, picture=picture):
            window.open(path)
            heading = window.one("h1").text
            holds(heading.startswith(title), f"the heading is {heading!r}")
            window.picture(picture)
            window.dark()
            window.finds_nothing_inaccessible("dark")
            window.picture(f"{picture}-dark")
            window.phone()
            holds(not window.is_wider_than_its_screen(), "it must be scrolled sideways")
            window.picture(f"{picture}-phone")
            window.desktop()
            window.finds_nothing_inaccessible("light")
            window.is_clean()
        report.run(f"page {path}", look)


def stays_fresh(window, client):
    client.xadd("marks", {"mark": "seen-at-once"})
    window.open("/streams/marks")
    client.xadd("marks", {"mark": "seen-without-reloading"})
    window.until_text("#live", "seen-without-reloading")
    window.one("#live-pause").click()
    client.xadd("marks", {"mark": "while-paused"})
    window.until_text("#live-state", "paused")
    holds("while-paused" not in window.one("#live").text, "it goes on while paused")
    window.one("#live-pause").click()
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


def policy_and_pause(window, client):
    window.open(BILLING)
    window.one("#policy > summary").click()
    window.type("visibility", "7s")
    window.type("max_in_flight", "500")
    Select(window.one("select[name=consumer_deletion]")).select_by_value("release")
    window.button("Change").click()
    window.until_text(".notice", "The policy was changed")
    policy = client.execute_command("XGROUP", "CFGGET", "orders", "billing")
    holds(b"7000" in str(policy).encode() and "500" in str(policy), policy)
    window.button("Pause", within="form[action$='/paused']").click()
    window.until_text(".notice", "Paused")
    window.until_text("#live", "it is paused")
    window.button("Go on", within="form[action$='/paused']").click()
    window.until_text(".notice", "It goes on")
    window.is_clean()


def hostile(window, client):
    """Names and values that are markup, scripts, no UTF-8, a megabyte."""
    window.open("/streams")
    for name in hostile_names():
        window.open_stream(name)
        window.is_clean()
        holds(window.script("return window.hostile") is None, f"{name!r} ran")
    window.open("/streams?find=%3Cscript%3E")
    holds(len(window.all("#live tbody tr")) >= 1, "a part of a name finds it")
    window.is_clean()


def login(report, window):
    with site(password=PASSWORD) as (url, client):
        client.xadd("orders", {"n": 1})
        window.url = url

        def enters():
            window.open("/streams", waits_for="input[name=password]")
            window.finds_nothing_inaccessible("login")
            window.picture("login")
            window.type("password", "wrong")
            window.button("Log in").click()
            window.until_text("[role=alert]", "does not let you in")
            # Its own console line about the refusal is the browser's.
            window.forget_console()
            window.type("password", PASSWORD)
            window.button("Log in").click()
            window.until_text("h1", "Streams")
            window.is_clean()

        def leaves():
            window.button("Log out").click()
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
        until_seen(f"{url}/", BILLING)
        looks(report, window)
        report.run("stays fresh", lambda: stays_fresh(window, client))
        report.run("by keyboard", lambda: by_keyboard(window))
        report.run("policy and pause", lambda: policy_and_pause(window, client))
        report.run("hostile names and values", lambda: hostile(window, client))
        report.run("without scripts", lambda: without_scripts(window))
        report.run("the load went on", load.is_well)
        login(report, window)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
