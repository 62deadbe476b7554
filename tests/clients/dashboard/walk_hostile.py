"""Pages whose names and values somebody made to do harm."""

import json

from harness.checks import holds
from hostile import QUOTES, SCRIPT, hostile_names, put_hostile_letters
from window import segment


def pages_of(client, name):
    entry = client.xrange(name, count=1)[0][0].decode()
    letters = name + b":dlq"
    letter = client.xrange(letters, count=1)[0][0].decode()
    stream, group = f"/streams/{segment(name)}", f"groups/{segment(name)}"
    return [
        stream,
        f"{stream}/{group}",
        f"{stream}/{group}/consumers/{segment(QUOTES)}",
        f"{stream}/{group}/set-id?to=0",
        f"{stream}/{group}/pending",
        f"{stream}/entries/{entry}",
        f"{stream}/schedule",
        f"/dead-letters/{segment(letters)}",
        f"/dead-letters/{segment(letters)}/{letter}",
        f"/dead-letters/{segment(letters)}/bulk?verb=purge",
    ]


def open_all(window, client, name):
    for page in pages_of(client, name):
        window.open(page)
        window.unfold()
        holds(window.script("return window.hostile") is None, f"{page} ran it")
        window.is_clean()


def lists(window):
    for page in ("/", "/streams", "/dead-letters", "/schedule", "/server/slow-log"):
        window.open(page)
        holds(window.script("return window.hostile") is None, f"{page} ran it")
    window.open("/streams?find=%3Cscript%3E")
    holds(len(window.column(1)) >= 1, "a part of a name finds it")
    window.is_clean()


def files(window, client):
    """Values of any bytes come back as they are; nothing is made a page."""
    name = b"\xff\xfe\x00"
    entry = client.xrange(name, count=1)[0][0].decode()
    window.open(f"/streams/{segment(name)}/entries/{entry}")
    window.click_link("Download all as JSON")
    fields = json.loads(window.downloaded(f"{entry}.json"))
    holds(SCRIPT.decode() in str(fields), "a field is missing")
    window.is_clean()


def walk(report, window, client):
    put_hostile_letters(client)
    for name in hostile_names():
        report.run(f"hostile: {name!r}", lambda name=name: open_all(window, client, name))
    report.run("hostile: lists", lambda: lists(window))
    report.run("hostile: files", lambda: files(window, client))
