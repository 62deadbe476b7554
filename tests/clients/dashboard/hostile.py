"""Names and values that somebody made to do harm, or by mistake."""

SCRIPT = b"<script>window.hostile=1</script>"
QUOTES = b"\"'><img src=x onerror=window.hostile=1>"
MEGABYTE = b"<b>" * 350_000


def hostile_names():
    return [
        SCRIPT, QUOTES, b"", b".", b"..", b"~", b"a/b?c#d%2F", b"\xff\xfe\x00", b"\x1b[2J",
        "\u202eback\u2066".encode(), b"javascript:window.hostile=1",
    ]


def put_hostile_names(client):
    for name in hostile_names():
        client.xadd(name, {SCRIPT: QUOTES, QUOTES: SCRIPT, name: b"\xff\xfe\x00", "big": MEGABYTE})
        client.xgroup_create(name, name, id="0")
        client.xreadgroup(name, QUOTES, {name: ">"}, count=1)


def put_hostile_letters(client):
    """A dead letter and a delayed entry of each of those streams, where a server has them."""
    for name in hostile_names():
        client.execute_command("XGROUP", "CFGSET", name, name, "MAXDELIVERIES", 3)
        id = client.xadd(name, {SCRIPT: QUOTES, QUOTES: name})
        client.xreadgroup(name, QUOTES, {name: ">"})
        client.execute_command("XNACK", name, name, "FATAL", "IDS", 1, id, "ERROR", SCRIPT)
        client.execute_command("XSCHEDULE", "ADD", name, "DELAY", 86_400_000, SCRIPT, QUOTES)
