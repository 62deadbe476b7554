"""What is done with entries: found, looked through, taken away as files, settled, deleted."""

import datetime
import json

from harness.checks import equal

PER_PAGE = 50


def browsed(window, client):
    """By an id, by a moment, by pages to what is older and newer."""
    day = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    begin = int(day.timestamp()) * 1000
    ids = [f"{begin + 60_000 * minute}-0" for minute in range(120)]
    for id in ids:
        client.xadd("ledger", {"id": id}, id=id)

    def shows(expected):
        window.wait(lambda: window.column(1) == expected, f"the page is not from {expected[0]} on")

    newest = ids[::-1]
    window.open("/streams/ledger")
    shows(newest[:PER_PAGE])
    window.click_link("Older")
    shows(newest[PER_PAGE:2 * PER_PAGE])
    window.click_link("Older")
    shows(newest[2 * PER_PAGE:])
    window.click_link("Newer")
    shows(newest[PER_PAGE:2 * PER_PAGE])
    window.click_link("Newest")
    shows(newest[:PER_PAGE])
    for place in [ids[30], "2020-01-01T00:30:00Z"]:
        window.type("from", place)
        window.click_button("Show")
        shows(ids[30:30 + PER_PAGE][::-1])
        window.click_link("Newer")
        shows(ids[80:][::-1])
        window.click_link("Newest")
        shows(newest[:PER_PAGE])
    window.is_clean()


def looked_through(window, client):
    """From one to the next and back; all of it as a file; one value as a file."""
    long = "x" * 5000
    for number in (1, 2, 3):
        client.xadd("novel", {"chapter": number, "text": long}, id=f"{number}-1")
    window.open("/streams/novel/entries/2-1")
    window.click_link("Next entry")
    window.until_text("h1", "3-1")
    window.wait(lambda: not window.links("Next entry"), "there is one behind the last")
    window.click_link("Previous entry")
    window.until_text("h1", "2-1")
    window.click_link("Previous entry")
    window.until_text("h1", "1-1")
    window.wait(lambda: not window.links("Previous entry"), "there is one before the first")
    window.click_link("Download all as JSON")
    equal(json.loads(window.downloaded("1-1.json")), {"chapter": "1", "text": long})
    window.click_link("Download")
    equal(window.downloaded("1-1-1.bin"), long.encode())
    window.is_clean()


def settled_on_its_page(window, client):
    """Claimed, given back with an error, acknowledged."""
    client.xadd("bills", {"n": 1}, id="1-1")
    client.xgroup_create("bills", "clerks", id="0")
    client.execute_command("XGROUP", "CFGSET", "bills", "clerks", "MAXDELIVERIES", 9)
    client.xreadgroup("clerks", "eve", {"bills": ">"})
    form = "#settle-clerks form"

    def settle(what, **fields):
        window.open("/streams/bills/entries/1-1")
        window.click_summary("Settle it in group clerks")
        window.choose("what", what, within=form)
        for name, text in fields.items():
            window.type(name, text, within=form)
        window.click_button("Settle", within=form)

    settle("claim", to="bob")
    window.until_text(".notice", "1 entry was claimed for bob")
    equal(client.xpending_range("bills", "clerks", "-", "+", 1)[0]["consumer"], b"bob")
    window.until_text("#live", "bob")
    settle("give-back", delay="1h", error="no ink")
    window.until_text(".notice", "1 entry was given back")
    window.until_text("#live", "no ink")
    equal(client.xreadgroup("clerks", "eve", {"bills": ">"}), [], "it is delayed")
    settle("acknowledge")
    window.until_text(".notice", "1 entry was acknowledged")
    window.until_text("#live", "settled")
    equal(client.xpending("bills", "clerks")["pending"], 0)
    window.is_clean()


def deleted(window, client):
    """Not before a box is ticked that says so."""
    client.xadd("drafts", {"n": 1}, id="1-1")
    client.xadd("drafts", {"n": 2}, id="2-1")
    window.open("/streams/drafts/entries/1-1")
    window.click_summary("Delete it")
    window.click_button("Delete the entry")
    equal(client.xlen("drafts"), 2, "it was deleted without a tick")
    window.click("#delete input[name=sure]")
    window.click_button("Delete the entry")
    window.until_text(".notice", "Entry 1-1 was deleted")
    equal([id for id, _ in client.xrange("drafts")], [b"2-1"])
    window.is_clean()


def walk(report, window, client):
    report.run("entries: browse", lambda: browsed(window, client))
    report.run("entries: neighbours and files", lambda: looked_through(window, client))
    report.run("entries: settle one", lambda: settled_on_its_page(window, client))
    report.run("entries: delete", lambda: deleted(window, client))
