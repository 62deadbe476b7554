"""What is done with dead letters, one by one and with those that are ticked."""

from harness.checks import equal, holds


def put_letters(client, stream, number, group="workers", consumer="eve", **error):
    """So many more of them; returns their ids, oldest first."""
    if not client.exists(stream):
        client.xgroup_create(stream, group, id="0", mkstream=True)
        client.execute_command("XGROUP", "CFGSET", stream, group, "MAXDELIVERIES", 3)
    before = client.xlen(f"{stream}:dlq")
    with client.pipeline(transaction=False) as pipe:
        for n in range(number):
            pipe.xadd(stream, {"n": n})
        pipe.execute()
    ((_, entries),) = client.xreadgroup(group, consumer, {stream: ">"}, count=number)
    nack = ["XNACK", stream, group, "FATAL", "IDS", number, *(id for id, _ in entries)]
    client.execute_command(*nack, "ERROR", error.get("error", "it broke"))
    return [id.decode() for id, _ in client.xrange(f"{stream}:dlq")][before:]


def of(stream):
    return f"/dead-letters/{stream}%3Adlq"


def left(client, stream):
    return [id.decode() for id, _ in client.xrange(f"{stream}:dlq")]


def tick(window, ids):
    for id in ids:
        window.click(f"input[name=id][value='{id}']")


def ticked(window, client):
    letters = put_letters(client, "cards", 6)
    window.open(of("cards"))
    tick(window, letters[:2])
    window.click_button("Requeue", within="#ticked")
    window.until_text(".notice", "2 letters were given back")
    equal(left(client, "cards"), letters[2:])
    got = client.xreadgroup("workers", "bob", {"cards": ">"})[0][1]
    equal(sorted(fields[b"n"] for _, fields in got), [b"0", b"1"], "what its group gets")
    tick(window, letters[2:4])
    window.click_button("Purge", within="#ticked")
    window.answer(False)
    equal(left(client, "cards"), letters[2:], "after a no")
    window.click_button("Purge", within="#ticked")
    window.answer(True)
    window.until_text(".notice", "2 letters were deleted")
    equal(left(client, "cards"), letters[4:])
    equal(client.xpending("cards", "workers")["pending"], 2, "what bob has")
    window.is_clean()


def single(window, client):
    """On the page of a letter: given back, or deleted."""
    letters = put_letters(client, "tickets", 2)
    window.open(of("tickets"))
    window.click(f"#live a[href$='/{letters[0]}']")
    window.until_text("h1", letters[0])
    window.click_button("Requeue")
    window.until_text(".notice", "1 letter was given back")
    equal(left(client, "tickets"), letters[1:])
    equal(client.xpending("tickets", "workers")["pending"], 1)
    window.click(f"#live a[href$='/{letters[1]}']")
    window.until_text("h1", letters[1])
    window.click_button("Purge")
    window.answer(True)
    window.until_text(".notice", "1 letter was deleted")
    equal(left(client, "tickets"), [])
    equal(client.xlen("tickets"), 2, "entries stay")
    window.is_clean()


def edited(window, client):
    letter, = put_letters(client, "forms", 1)
    client.xgroup_create("forms", "others", id="$")
    window.open(f"{of('forms')}/{letter}")
    window.click_summary("Edit and requeue")
    window.type("value", "repaired: <b>\u20ac</b>", within="#edit")
    window.click_button("Add this, and delete the letter")
    window.answer(True)
    window.until_text(".notice", "It was added as")
    equal(left(client, "forms"), [])
    written = {b"n": "repaired: <b>\u20ac</b>".encode()}
    for group in ("workers", "others"):
        got = client.xreadgroup(group, "bob", {"forms": ">"})[0][1]
        equal([fields for _, fields in got], [written], f"what {group} gets")
    window.is_clean()


def filtered(window, client):
    """By who had it, why, its error; newest and oldest first; by pages."""
    early = put_letters(client, "parts", 55, consumer="ada", error="it is too heavy")
    late = put_letters(client, "parts", 5, consumer="bob", error="100 % wrong & <b>lost</b>")
    path = of("parts")

    def shows(expected):
        window.wait(lambda: window.column(2) == expected, f"not {expected[:1]} and so on")

    def show(expected, reason="", first="", **filter):
        window.open(path)
        for name, text in filter.items():
            window.type(name, text, within="#filter")
        window.choose("reason", reason, within="#filter")
        window.choose("first", first, within="#filter")
        window.click_button("Show", within="#filter")
        shows(expected)

    newest = (early + late)[::-1]
    window.open(path)
    shows(newest[:50])
    window.click_link("Older")
    shows(newest[50:])
    window.click_link("Newest")
    shows(newest[:50])
    show((early + late)[:50], first="oldest")
    window.click_link("Newer")
    shows((early + late)[50:])
    window.click_link("Oldest")
    shows((early + late)[:50])
    show(late[::-1], consumer="bob")
    show(late[::-1], error="% wrong & <b>")
    show(late, error="lost", reason="fatal", first="oldest", group="workers", stream="parts")
    window.click_link("Show all")
    shows(newest[:50])
    show([], reason="max-deliveries")
    window.until_text("#live", "There are no letters of that kind here")
    show([], age="1d")
    window.is_clean()


def of_one_stream(window, client):
    """From the page of a stream: where its letters are, in one stream or in several."""
    letters = put_letters(client, "alone", 2)
    window.open("/streams/alone")
    window.click_link("Dead letters")
    window.until_text("h1", "alone:dlq")
    window.wait(lambda: window.column(2) == letters[::-1], "its letters")
    window.open("/streams/parcels")
    window.click_link("Dead letters")
    window.until_text("h1", "Dead letters of parcels")
    window.click_link("returned")
    window.until_text("h1", "returned")
    group = window.column(4)
    equal(group, ["ship"], "whose the letters are")
    client.xadd("unharmed", {"n": 1})
    window.open("/streams/unharmed/dead-letters")
    holds("There are none" in window.one("main").text, "letters that are not there")
    window.is_clean()


def walk(report, window, client):
    report.run("letters: ticked", lambda: ticked(window, client))
    report.run("letters: one", lambda: single(window, client))
    report.run("letters: edit", lambda: edited(window, client))
    report.run("letters: filters and pages", lambda: filtered(window, client))
    report.run("letters: of one stream", lambda: of_one_stream(window, client))
