"""What is done with delayed entries."""

from harness.checks import equal


def delayed(window, client):
    window.open("/schedule")
    window.type("stream", "meals", within="form.row")
    window.click_button("Show", within="form.row")
    window.until_text("h1", "meals")
    window.until_text("#live", "None waits")
    window.click_summary("Delay an entry")
    form = "form[action$='/schedule/add']"
    window.type("when", "1h", within=form)
    window.type("field", "dish", within=form)
    window.type("value", "soup", within=form)
    window.click_button("Delay it", within=form)
    window.until_text(".notice", "It waits as")
    window.until_text("#live", "soup")
    equal([fields for _, _, fields in waiting(client, "meals")], [[b"dish", b"soup"]])
    window.is_clean()


def waiting(client, stream):
    return client.execute_command("XSCHEDULE", "LIST", stream, "COUNT", 1000)[1]


def appended_and_cancelled(window, client):
    """Those that are ticked; what is cancelled is asked about before."""
    add = ["XSCHEDULE", "ADD", "alarms", "DELAY"]
    tokens = [client.execute_command(*add, 3_600_000 + n, "n", n) for n in range(5)]

    def tick(some):
        window.open("/streams/alarms/schedule")
        for token in some:
            window.click(f"input[name=entry][value='{token.decode()}']")

    tick(tokens[:2])
    window.click_button("Append now", within="#ticked")
    window.until_text(".notice", "2 entries were appended")
    equal([fields for _, fields in client.xrange("alarms")], [{b"n": b"0"}, {b"n": b"1"}])
    tick(tokens[2:4])
    window.click_button("Cancel", within="#ticked")
    window.answer(False)
    equal(len(waiting(client, "alarms")), 3, "they were cancelled in spite of a no")
    window.click_button("Cancel", within="#ticked")
    window.answer(True)
    window.until_text(".notice", "2 entries were cancelled")
    equal([token for token, _, _ in waiting(client, "alarms")], tokens[4:])
    equal(client.xlen("alarms"), 2)
    window.is_clean()


def in_pages(window, client):
    with client.pipeline(transaction=False) as pipe:
        for number in range(60):
            pipe.execute_command("XSCHEDULE", "ADD", "trains", "DELAY", 3_600_000 + number, "n", 1)
        tokens = [token.decode() for token in pipe.execute()]
    window.open("/streams/trains/schedule")
    equal(window.column(4), tokens[:50], "the first page")
    window.click_link("Later ones")
    window.wait(lambda: window.column(4) == tokens[50:], "the second page")
    window.click_link("The first ones")
    window.wait(lambda: window.column(4) == tokens[:50], "the first page again")
    # All of a page.
    window.click("#live input[data-ticks]")
    window.click_button("Append now", within="#ticked")
    window.until_text(".notice", "50 entries were appended")
    equal(client.xlen("trains"), 50)
    window.is_clean()


def walk(report, window, client):
    report.run("schedule: delay", lambda: delayed(window, client))
    report.run("schedule: append, cancel", lambda: appended_and_cancelled(window, client))
    report.run("schedule: pages", lambda: in_pages(window, client))
