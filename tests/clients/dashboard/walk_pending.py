"""What is done with the pending entries of a group."""

from harness.checks import equal

JOBS = "/streams/jobs/groups/crew/pending"
SETTLE = "form#settle"


def settle(window, which, what, mode=None, **fields):
    window.choose("which", which, within=SETTLE)
    window.choose("what", what, within=SETTLE)
    if mode:
        window.choose("mode", mode, within=SETTLE)
    for name, text in fields.items():
        window.type(name, text, within=SETTLE)
    window.click_button("Settle", within=SETTLE)


def tick(window, ids):
    for id in ids:
        window.click(f"input[name=id][value='{id.decode()}']")


def acknowledged(window, client):
    """Those that are ticked at once, all that are alike after a question."""
    client.xgroup_create("jobs", "crew", id="0", mkstream=True)
    ids = [client.xadd("jobs", {"n": n}) for n in range(9)]
    client.xreadgroup("crew", "eve", {"jobs": ">"}, count=9)
    window.open(JOBS)
    tick(window, ids[:2])
    settle(window, "ticked", "acknowledge")
    window.until_text(".notice", "2 entries were acknowledged")
    equal(client.xpending("jobs", "crew")["pending"], 7)
    settle(window, "all", "acknowledge")
    window.until_text("h1", "7 entries would be acknowledged")
    equal(client.xpending("jobs", "crew")["pending"], 7, "nothing is done before it is confirmed")
    window.click_link("Leave them")
    window.until_text("h1", "in group crew")
    settle(window, "all", "acknowledge")
    window.until_text("h1", "7 entries would be acknowledged")
    window.type("rate", "1000")
    window.click_button("Acknowledge 7 entries")
    window.until_text(".notice", "7 entries were acknowledged")
    equal(client.xpending("jobs", "crew")["pending"], 0)
    window.is_clean()


def claimed_and_given_back(window, client):
    ids = [client.xadd("jobs", {"n": n}) for n in range(6)]
    client.xreadgroup("crew", "eve", {"jobs": ">"})
    window.open(JOBS)
    # What they ask is shown with the choice.
    for what in ("claim", "give-back"):
        window.choose("what", what, within=SETTLE)
        window.finds_nothing_inaccessible(what)
    tick(window, ids[:2])
    settle(window, "ticked", "claim", to="bob")
    window.until_text(".notice", "2 entries were claimed for bob")
    bobs = client.xpending_range("jobs", "crew", "-", "+", 9, consumername="bob")
    equal([one["message_id"] for one in bobs], ids[:2])
    window.click("#tick-all")
    settle(window, "ticked", "claim", to="cy", min_idle="1h")
    window.until_text(".notice", "0 entries were claimed for cy. Left alone: 6 entries")
    tick(window, ids[:1])
    settle(window, "ticked", "give-back")
    window.until_text(".notice", "1 entry was given back")
    equal(claims(client, "dee"), ids[:1], "what dee gets")
    window.open(f"{JOBS}?consumer=eve")
    settle(window, "all", "give-back", mode="silent")
    window.until_text("h1", "4 entries would be given back")
    window.until_text("main", "eve")
    window.click_button("Give back 4 entries")
    window.until_text(".notice", "4 entries were given back")
    equal(claims(client, "flo"), ids[2:], "what flo gets")
    window.is_clean()


def claims(client, consumer):
    """What nobody has: no other is idle for so long."""
    answer = client.execute_command("XAUTOCLAIM", "jobs", "crew", consumer, 3_600_000, "0")
    return [id for id, _ in answer[1]]


def filtered(window, client):
    """By whose they are, how old, how often delivered, from where on; and by pages."""
    client.xgroup_create("heap", "crew", id="0", mkstream=True)
    with client.pipeline(transaction=False) as pipe:
        for number in range(1, 131):
            pipe.xadd("heap", {"n": number}, id=f"{number}-1")
        pipe.execute()
    client.xreadgroup("crew", "ada", {"heap": ">"}, count=120)
    client.xreadgroup("crew", "bob", {"heap": ">"}, count=10)
    old = [f"{number}-1" for number in (3, 5)]
    client.execute_command("XCLAIM", "heap", "crew", "ada", 0, *old, "IDLE", 7_200_000)
    often = [f"{number}-1" for number in (7, 8, 9)]
    client.execute_command("XCLAIM", "heap", "crew", "ada", 0, *often, "RETRYCOUNT", 6)
    path = "/streams/heap/groups/crew/pending"

    def shows(first, last):
        ids = [f"{number}-1" for number in range(first, last + 1)]
        window.wait(lambda: window.column(2) == ids, f"it does not show {ids[0]} to {ids[-1]}")

    def show(expected, **filter):
        window.open(path)
        for name, text in filter.items():
            window.type(name, text, within="form[method=get]")
        window.click_button("Show", within="form[method=get]")
        window.wait(lambda: window.column(2) == expected, f"{filter} does not show {expected}")

    window.open(path)
    shows(1, 100)
    window.click_link("Next")
    shows(101, 130)
    window.click_link("First")
    shows(1, 100)
    show([f"{number}-1" for number in range(121, 131)], consumer="bob")
    window.click_link("All")
    shows(1, 100)
    show(old, idle="1h")
    show(often, deliveries="6")
    show(["129-1", "130-1"], **{"from": "129-1"})
    show(often[1:], deliveries="6", consumer="ada", **{"from": "8-1"})
    window.is_clean()


def walk(report, window, client):
    report.run("pending: acknowledge", lambda: acknowledged(window, client))
    report.run("pending: claim, give back", lambda: claimed_and_given_back(window, client))
    report.run("pending: filters and pages", lambda: filtered(window, client))
