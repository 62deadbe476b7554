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
LETTERS = "/dead-letters/orders%3Adlq"
PASSWORD = "a-long-enough-secret"
# Path, what its title begins with, name of the picture.
PAGES = [
    ("/", "Overview", "overview"),
    ("/streams", "Streams", "streams"),
    (ORDERS, "orders", "stream"),
    (BILLING, "billing", "group"),
    (f"{BILLING}/pending", "", "pending"),
    ("/streams/orders/entries/{kept}", "", "entry"),
    ("/dead-letters", "", "dead-letters"),
    (LETTERS, "", "letters"),
    (f"{LETTERS}/{{letter}}", "", "letter"),
    ("/schedule", "", "schedule"),
    ("/streams/orders/schedule", "", "stream-schedule"),
    ("/server", "", "server"),
    ("/server/settings", "", "settings"),
    ("/server/clients", "", "clients"),
    ("/server/slow-log", "", "slow-log"),
    ("/server/commands", "", "commands"),
]


def looks(report, window, ids):
    """Each page as it is: in light, in dark, on a phone."""
    for path, title, picture in PAGES:
        def look(path=path.format(**ids), title=title, picture=picture):
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


def policy_and_pause(window, client):
    window.open(BILLING)
    window.click("#policy > summary")
    window.type("visibility", "7s")
    window.type("max_in_flight", "500")
    Select(window.one("select[name=consumer_deletion]")).select_by_value("release")
    window.click_button("Change")
    window.until_text(".notice", "The policy was changed")
    policy = client.execute_command("XGROUP", "CFGGET", "orders", "billing")
    holds(b"7000" in str(policy).encode() and "500" in str(policy), policy)
    window.click_button("Pause", within="form[action$='/paused']")
    window.until_text(".notice", "Paused")
    window.until_text("#live", "it is paused")
    window.click_button("Go on", within="form[action$='/paused']")
    window.until_text(".notice", "It goes on")
    window.is_clean()


def pending_is_settled(window, client):
    """Ticked entries are acknowledged, those alike given back."""
    client.xgroup_create("jobs", "crew", id="0", mkstream=True)
    ids = [client.xadd("jobs", {"n": n}) for n in range(9)]
    client.xreadgroup("crew", "eve", {"jobs": ">"}, count=9)
    window.open("/streams/jobs/groups/crew/pending")
    for id in ids[:2]:
        window.click(f"input[name=id][value='{id.decode()}']")
    settle = "form#settle"
    Select(window.one(f"{settle} select[name=what]")).select_by_value("acknowledge")
    Select(window.one(f"{settle} select[name=which]")).select_by_value("ticked")
    window.click_button("Settle", within=settle)
    window.until_text(".notice", "2 entries")
    equal(client.xpending("jobs", "crew")["pending"], 7)
    Select(window.one(f"{settle} select[name=what]")).select_by_value("acknowledge")
    Select(window.one(f"{settle} select[name=which]")).select_by_value("all")
    window.click_button("Settle", within=settle)
    window.until_text("main", "7 entries")
    window.finds_nothing_inaccessible("question")
    window.picture("question")
    equal(client.xpending("jobs", "crew")["pending"], 7, "nothing is done before it is confirmed")
    window.click("main form[method=post] button.primary, main form[method=post] button.danger")
    window.until(".notice")
    equal(client.xpending("jobs", "crew")["pending"], 0)
    window.is_clean()


def streams_are_changed(window, client):
    client.xadd("notes", {"n": 1})
    window.open("/streams/notes")
    window.click_summary("Add an entry")
    form = "form[action$='/add']"
    window.type("name", "colour", within=form)
    window.type("value", "blue", within=form)
    window.click_button("Add", within=form)
    window.until(".notice")
    equal(client.xrevrange("notes", count=1)[0][1], {b"colour": b"blue"})
    window.open("/streams/notes")
    window.click_summary("Change what it keeps")
    window.type("maxlen", "1000", within="form[action$='/retention']")
    window.click_button("Change", within="form[action$='/retention']")
    window.until_text("main", "1000")
    holds("1000" in str(client.execute_command("XCFGGET", "notes")), "it is kept")
    window.open("/streams/notes")
    window.click_summary("Create a group")
    window.type("group", "readers", within="form[action$='/groups']")
    window.click_button("Create", within="form[action$='/groups']")
    window.until(".notice")
    equal(client.xinfo_groups("notes")[0]["name"], b"readers")
    window.open("/streams/notes")
    window.click_summary("Delete it")
    window.type("typed", "notes", within="form[action$='/delete']")
    window.click_button("Delete the stream")
    window.until(".notice")
    equal(client.exists("notes"), 0)
    window.is_clean()


def letters_are_given_back(window, client, letter):
    window.open(f"{LETTERS}/{letter}")
    before = client.xlen("orders:dlq")
    window.click_button("Requeue")
    window.until(".notice")
    holds(client.xrange("orders:dlq", letter, letter) == [], "the letter is there still")
    holds(client.xlen("orders:dlq") <= before + 5, "others became letters meanwhile, some of them")
    window.is_clean()


def entries_are_delayed(window, client):
    window.open("/streams/orders/schedule")
    window.click_summary("Delay an entry")
    form = "form[action$='/schedule/add']"
    window.type("when", "1h", within=form)
    window.type("field", "order_id", within=form)
    window.type("value", "later", within=form)
    window.click_button("Delay it", within=form)
    window.until(".notice")
    window.until_text("#live", "later")
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
        until_seen(f"{url}/", BILLING)
        until_seen(f"{url}/dead-letters", "orders")
        ids = {"letter": client.xrange("orders:dlq", count=1)[0][0].decode()}
        ids["kept"] = client.xrange("orders", count=1)[0][0].decode()
        looks(report, window, ids)
        report.run("stays fresh", lambda: stays_fresh(window, client))
        report.run("by keyboard", lambda: by_keyboard(window))
        report.run("policy and pause", lambda: policy_and_pause(window, client))
        report.run("pending is settled", lambda: pending_is_settled(window, client))
        report.run("streams are changed", lambda: streams_are_changed(window, client))
        report.run("letters", lambda: letters_are_given_back(window, client, ids["letter"]))
        report.run("schedule", lambda: entries_are_delayed(window, client))
        report.run("hostile names and values", lambda: hostile(window, client))
        report.run("without scripts", lambda: without_scripts(window))
        report.run("the load went on", load.is_well)
        login(report, window)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
