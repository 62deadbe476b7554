"""Every page as it is: in light, in dark, on a phone, with all of its forms closed and open."""

from harness.checks import holds

ORDERS = "/streams/orders"
BILLING = "/streams/orders/groups/billing"
LETTERS = "/dead-letters/orders%3Adlq"
PARCELS = "/streams/parcels"
# Path, what its title begins with, name of the picture.
PAGES = [
    ("/", "Overview", "overview"),
    ("/streams", "Streams", "streams"),
    (ORDERS, "orders", "stream"),
    (f"{PARCELS}/trim?by=maxlen&value=3", "9 entries of parcels would go", "trim-question"),
    (BILLING, "billing", "group"),
    (f"{PARCELS}/groups/count", "count", "group-without-policy"),
    (f"{PARCELS}/groups/count/set-id?to=0", "2 entries would be delivered", "move-question"),
    (f"{PARCELS}/groups/pack/consumers/eve", "eve", "consumer"),
    (f"{PARCELS}/groups/count/consumers/ann", "ann", "consumer-without-policy"),
    (f"{BILLING}/pending", "Pending", "pending"),
    (f"{PARCELS}/groups/pack/pending", "Pending", "pending-with-errors"),
    (f"{PARCELS}/groups/count/pending/all?what=claim&to=bea", "2 entries would be", "question"),
    (f"{ORDERS}/entries/{{kept}}", "{kept}", "entry"),
    (f"{PARCELS}/entries/2-1", "2-1", "entry-pending"),
    (f"{PARCELS}/dead-letters", "Dead letters of parcels", "stream-letters"),
    ("/dead-letters", "Dead letters", "dead-letters"),
    (LETTERS, "orders:dlq", "letters"),
    (f"{LETTERS}/{{letter}}", "{letter}", "letter"),
    ("/dead-letters/returned/bulk?verb=requeue", "Requeue letters", "requeue-question"),
    ("/dead-letters/returned/bulk?verb=purge", "Purge letters", "purge-question"),
    ("/schedule", "Schedule", "schedule"),
    ("/streams/orders/schedule", "orders", "stream-schedule"),
    ("/streams/parcels/schedule", "parcels", "stream-schedule-with-entries"),
    ("/server", "Server", "server"),
    ("/server/settings", "Server", "settings"),
    ("/server/clients", "Server", "clients"),
    ("/server/slow-log", "Server", "slow-log"),
    ("/server/commands", "Server", "commands"),
]


def put_parcels(client):
    """A stream at rest, of which there is some of everything; its letters are in two streams."""
    for number in range(1, 13):
        client.xadd("parcels", {"parcel": number}, id=f"{number}-1")
    for group, letters in [("pack", "NONE"), ("ship", "returned")]:
        client.xgroup_create("parcels", group, id="0")
        items = ["MAXDELIVERIES", 3, "DEADLETTER", letters]
        client.execute_command("XGROUP", "CFGSET", "parcels", group, *items)
        client.xreadgroup(group, "eve", {"parcels": ">"}, count=4)
        nack = ["XNACK", "parcels", group]
        client.execute_command(*nack, "FATAL", "IDS", 1, "1-1", "ERROR", "the address is nowhere")
        client.execute_command(*nack, "FAIL", "IDS", 1, "2-1", "ERROR", "nobody was at home")
    client.xgroup_create("parcels", "count", id="0")
    client.xreadgroup("count", "ann", {"parcels": ">"}, count=2)
    client.xgroup_createconsumer("parcels", "count", "bea")
    client.execute_command("XSCHEDULE", "ADD", "parcels", "DELAY", 86_400_000, "parcel", 13)


def looks(report, window, ids):
    for path, title, picture in PAGES:
        path, title = path.format(**ids), title.format(**ids)

        def look(path=path, title=title, picture=picture):
            window.open(path)
            window.wait(
                lambda: window.one("h1").text.startswith(title), f"the heading is not {title!r}"
            )
            window.picture(picture)
            window.phone()
            holds(not window.is_wider_than_its_screen(), "it must be scrolled sideways")
            window.picture(f"{picture}-phone")
            window.unfold()
            holds(not window.is_wider_than_its_screen(), "its forms must be scrolled sideways")
            window.desktop()
            window.finds_nothing_inaccessible("light")
            window.dark()
            window.finds_nothing_inaccessible("dark")
            window.picture(f"{picture}-dark")
            window.desktop()
            window.is_clean()
        report.run(f"page {path}", look)
