"""What is done on the page of a group, and on that of a consumer."""

from harness.checks import equal, holds

BILLING = "/streams/orders/groups/billing"


def policy_and_pause(window, client):
    window.open(BILLING)
    window.click("#policy > summary")
    window.type("visibility", "7s")
    window.type("max_in_flight", "500")
    window.choose("consumer_deletion", "release")
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


def moved(window, client):
    """Back, so that entries come again; on, so that some never come; or left."""
    for number in range(1, 11):
        client.xadd("trips", {"n": number}, id=f"{number}-1")
    client.xgroup_create("trips", "guides", id="4-1")
    path = "/streams/trips/groups/guides"

    def is_at(id):
        equal(client.xinfo_groups("trips")[0]["last-delivered-id"], id, "the last delivered")

    def ask(to, question):
        window.open(path)
        window.click_summary("Move it: deliver again, or skip")
        window.type("to", to, within="#set-id")
        window.click_button("Count what that means")
        window.until_text("h1", question)

    ask("0", "4 entries would be delivered again")
    window.click_link("Leave it")
    window.until_text("h1", "guides")
    is_at(b"4-1")
    ask("0", "4 entries would be delivered again")
    window.click_button("Deliver 4 entries again")
    window.until_text(".notice", "The group was moved")
    is_at(b"0-0")
    ask("$", "10 entries would be skipped")
    window.click_button("Skip 10 entries")
    window.until_text(".notice", "The group was moved")
    is_at(b"10-1")
    ask("10-1", "Nothing would change")
    window.click_link("Back to the group")
    window.until_text("h1", "guides")
    window.is_clean()


def destroyed(window, client):
    """Not where another name was typed."""
    client.xgroup_create("ruins", "romans", id="0", mkstream=True)
    form = "#destroy form"

    def destroy(name):
        window.open("/streams/ruins/groups/romans")
        window.click_summary("Destroy it")
        window.type("typed", name, within=form)
        window.click_button("Destroy the group")

    destroy("roman")
    window.until_text(".alarm", "nothing was done")
    equal(len(client.xinfo_groups("ruins")), 1)
    destroy("romans")
    window.until_text(".notice", "Group romans was destroyed")
    equal(client.xinfo_groups("ruins"), [])
    window.is_clean()


def consumers_are_deleted(window, client):
    """What one has goes to an heir, who may be new, or is lost."""
    for number in range(1, 7):
        client.xadd("rounds", {"n": number}, id=f"{number}-1")
    client.xgroup_create("rounds", "crew", id="0")
    for consumer in ("ada", "bob"):
        client.xreadgroup("crew", consumer, {"rounds": ">"}, count=3)
    group = "/streams/rounds/groups/crew"

    def owners():
        return {one["consumer"] for one in client.xpending_range("rounds", "crew", "-", "+", 9)}

    window.open(group)
    window.click(f"#live a[href='{group}/consumers/ada']")
    window.until_text("h1", "ada")
    window.choose("pending", "heir", within="#delete")
    equal(window.one("#delete input[name=heir]").get_attribute("value"), "bob", "the heir")
    window.type("heir", "cy", within="#delete")
    window.click_button("Delete the consumer")
    window.until_text(".notice", "3 entries went to cy")
    equal(owners(), {b"bob", b"cy"})
    window.open(f"{group}/consumers/bob")
    window.click_link("What it has pending")
    window.until_text("h1", "Pending")
    equal(window.column(3), ["bob"] * 3, "whose they are")
    window.open(f"{group}/consumers/bob")
    window.choose("pending", "nobody", within="#delete")
    window.click_button("Delete the consumer")
    window.until_text(".notice", "Consumer bob was deleted, and 3 entries with it")
    equal(owners(), {b"cy"})
    equal([one["name"] for one in client.xinfo_consumers("rounds", "crew")], [b"cy"])
    client.execute_command("XGROUP", "CFGSET", "rounds", "crew", "VISIBILITY", 3_600_000)
    window.open(f"{group}/consumers/cy")
    window.click_button("Delete the consumer")
    window.until_text(".notice", "Consumer cy was deleted; anybody gets 3 entries now")
    equal(len(client.xreadgroup("crew", "dee", {"rounds": ">"})[0][1]), 3, "what dee gets")
    window.is_clean()


def walk(report, window, client):
    report.run("groups: policy and pause", lambda: policy_and_pause(window, client))
    report.run("groups: move", lambda: moved(window, client))
    report.run("groups: destroy", lambda: destroyed(window, client))
    report.run("consumers: delete", lambda: consumers_are_deleted(window, client))
