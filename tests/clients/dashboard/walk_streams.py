"""What is done on the page of a stream, and on that of all streams."""

from harness.checks import equal, holds
from served import until_seen


def added_from_the_list(window, client):
    """To a stream that is not there yet: by rows, by JSON, with an id, with a delay."""
    form = "#add form"

    def begin(stream):
        window.open("/streams")
        window.click_summary("Add an entry")
        window.type("stream", stream, within=form)

    begin("fruits")
    window.type("name", "kind", within=form)
    window.type("value", "apple", within=form)
    window.click_button("Add", within=form)
    window.until_text(".notice", "was added")
    equal([fields for _, fields in client.xrange("fruits")], [{b"kind": b"apple"}])
    begin("fruits")
    window.type("json", '{"kind": "pear", "sizes": [1, 2]}', within=form)
    window.click_button("Add", within=form)
    window.wait(lambda: client.xlen("fruits") == 2, "the JSON was not added")
    window.until_text(".notice", "was added")
    fields = client.xrevrange("fruits", count=1)[0][1]
    equal((fields[b"kind"], fields[b"sizes"].replace(b" ", b"")), (b"pear", b"[1,2]"))
    begin("berries")
    window.type("name", "kind", within=form)
    window.type("value", "cherry", within=form)
    window.type("id", "5-7", within=form)
    window.click_button("Add", within=form)
    window.until_text("h1", "5-7")
    equal(client.xrange("berries"), [(b"5-7", {b"kind": b"cherry"})])
    begin("later")
    window.type("name", "kind", within=form)
    window.type("value", "fig", within=form)
    window.type("delay", "2h", within=form)
    window.click_button("Add", within=form)
    window.until_text(".notice", "The entry waits for its time")
    window.until_text("#live", "fig")
    (_, _, fields), = client.execute_command("XSCHEDULE", "LIST", "later")[1]
    equal(fields, [b"kind", b"fig"])
    window.is_clean()


def changed(window, client):
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


def trimmed(window, client):
    """By a length, by an id, by an age: counted, asked, done; or left."""
    for number in range(1, 21):
        client.xadd("hedge", {"leaf": number}, id=f"{number}-1")

    def ask(by, value, question):
        window.open("/streams/hedge")
        window.click_summary("Trim it")
        window.choose("by", by, within="#trim")
        window.type("value", value, within="#trim")
        window.click_button("Count what would go")
        window.until_text("h1", question)

    ask("maxlen", "15", "5 entries of hedge would go")
    window.click("a.button[href='/streams/hedge']")
    window.until_text("h1", "stream")
    equal(client.xlen("hedge"), 20, "entries that were left")
    ask("maxlen", "15", "5 entries of hedge would go")
    window.click_button("Remove 5 entries")
    window.until_text(".notice", "5 entries were removed")
    equal(client.xrange("hedge", count=1)[0][0], b"6-1")
    ask("minid", "8-1", "2 entries of hedge would go")
    window.click_button("Remove 2 entries")
    window.until_text(".notice", "2 entries were removed")
    equal(client.xrange("hedge", count=1)[0][0], b"8-1")
    new = client.xadd("hedge", {"leaf": "new"})
    ask("maxage", "1h", "13 entries of hedge would go")
    window.click_button("Remove 13 entries")
    window.until_text(".notice", "13 entries were removed")
    equal([id for id, _ in client.xrange("hedge")], [new])
    window.is_clean()


def found_and_sorted(window, client, url):
    """The list: by a part of the name, by length, by what is pending; and its pages."""
    with client.pipeline(transaction=False) as pipe:
        for number in range(105):
            for _ in range(1 + number % 3):
                pipe.xadd(f"shelf:{number:03}", {"n": number})
        pipe.execute()
    client.xgroup_create("shelf:050", "readers", id="0")
    client.xreadgroup("readers", "eve", {"shelf:050": ">"})
    # What is known of them is read in turns.
    until_seen(f"{url}/streams?find=shelf:104", "/streams/shelf%3A104")
    window.wait(
        lambda: pending_of(window, "shelf:050") == "3", "what is pending never was seen"
    )
    window.open("/streams")
    window.type("find", "shelf:", within="form.row")
    window.click_button("Show", within="form.row")
    window.until_text("h1", "105")
    equal(window.column(1)[:2], ["shelf:000", "shelf:001"], "first by name")
    window.click("nav.pager a:last-child")
    window.until_text("nav.pager", "page 2 of 2")
    equal(window.column(1), [f"shelf:{number}" for number in range(100, 105)], "the second page")
    window.click("nav.pager a:first-child")
    window.until_text("nav.pager", "page 1 of 2")
    for order, column in [("length", 2), ("pending", 5)]:
        window.choose("sort", order, within="form.row")
        window.click_button("Show", within="form.row")
        window.until(f"option[value={order}][selected]")
        numbers = [int(text.replace(",", "")) for text in window.column(column)]
        equal(numbers, sorted(numbers, reverse=True), f"by {order}")
    equal(window.column(1)[0], "shelf:050", "most pending")
    window.is_clean()


def pending_of(window, stream):
    window.open(f"/streams?find={stream}")
    return window.column(5)[0]


def groups_in_pages(window, client):
    with client.pipeline(transaction=False) as pipe:
        for number in range(101):
            pipe.xgroup_create("crowd", f"group-{number:03}", id="0", mkstream=True)
            pipe.xgroup_createconsumer("crowd", "group-000", f"worker-{number:03}")
        pipe.xadd("crowd", {"n": 1}, id="1-1")
        pipe.execute()
    pages = ["/streams/crowd", "/streams/crowd/entries/1-1", "/streams/crowd/groups/group-000"]
    for path in pages:
        window.open(path)
        equal(len(window.script("return document.querySelectorAll('#live tbody')[0].rows")), 100)
        last = "worker-100" if "groups" in path else "group-100"
        holds(last not in window.one("#live").text, f"{path}: {last} is on the first page")
        window.click("nav[aria-label^='Pages of'] a:last-child")
        window.until_text("#live", last)
        window.click("nav[aria-label^='Pages of'] a:first-child")
        window.until_text("#live", last.replace("100", "099"))
    window.is_clean()


def walk(report, window, client, url):
    report.run("streams: add from the list", lambda: added_from_the_list(window, client))
    report.run("streams: change", lambda: changed(window, client))
    report.run("streams: trim", lambda: trimmed(window, client))
    report.run("streams: find and sort", lambda: found_and_sorted(window, client, url))
    report.run("streams: pages of groups", lambda: groups_in_pages(window, client))
