"""Long work on dead letters: asked about, begun at a pace, watched, stopped."""

from harness.checks import equal, holds
from walk_letters import left, of, put_letters


def requeued(window, client):
    """Of a kind, no more than so many; what is left is told."""
    put_letters(client, "mails", 3, consumer="ada")
    bobs = put_letters(client, "mails", 12, consumer="bob")
    window.open(of("mails"))
    window.type("consumer", "bob", within="#filter")
    window.click_button("Show", within="#filter")
    window.until_text("#live", "consumer bob")
    window.click_button("Requeue all...", within="#all")
    window.until_text("h1", "Requeue letters")
    window.until_text("main", "12 would be pending in their group again")
    equal(len(left(client, "mails")), 15, "nothing is done before it is confirmed")
    window.click_link("Back to the letters")
    window.until_text("#live", "consumer bob")
    window.click_button("Requeue all...", within="#all")
    window.until_text("h1", "Requeue letters")
    window.type("most", "10")
    window.type("per_second", "200")
    window.click_button("Requeue them")
    window.until_text(".notice", "It began")
    window.until_text("#live", "10 letters were given back. 2 of that kind are left: go on.")
    equal(left(client, "mails")[3:], bobs[10:])
    got = client.xreadgroup("workers", "cy", {"mails": ">"})[0][1]
    equal(len(got), 10, "what the group gets again")
    window.is_clean()


def purged_and_stopped(window, client):
    """One a second, stopped by its button; then all that is left at once."""
    letters = put_letters(client, "spam", 40)
    window.open(of("spam"))
    window.click_button("Purge all...", within="#all")
    window.until_text("h1", "Purge letters")
    window.type("per_second", "1")
    window.click_button("Delete them for good")
    window.until_text("#live", "At work: purge letters of any kind")
    window.wait(lambda: len(left(client, "spam")) < 40, "nothing is deleted")
    window.open("/dead-letters")
    window.until_text("#live tr", "at work")
    window.open(of("spam"))
    window.click_button("Stop", within="#live")
    window.until_text(".notice", "It stops")
    window.until_text("#live", "It was stopped")
    there = left(client, "spam")
    holds(len(there) > 20, f"{len(there)} are left of 40: it was not one a second")
    equal(there, letters[-len(there):], "the oldest go first")
    window.click_button("Purge all...", within="#all")
    window.until_text("h1", "Purge letters")
    window.type("per_second", "1000")
    window.click_button("Delete them for good")
    window.until_text("#live", "None of that kind are left")
    equal(left(client, "spam"), [])
    window.is_clean()


def walk(report, window, client):
    report.run("letters: requeue of a kind", lambda: requeued(window, client))
    report.run("letters: purge, stop", lambda: purged_and_stopped(window, client))
