#!/usr/bin/env python3
"""What one viewer of the dashboard costs a server that works: processor time, with and without.

    python3 tests/clients/dashboard/cost.py target/release/millstream [ENTRIES A SECOND]

Runs the load of `millstream bench latency` and, in turns, a viewer who watches a page for ten
seconds and nobody; prints the processor time of the whole server in each turn, of the dashboard's
own thread in it, and medians. Timing is never asserted by tests: this is run by hand, and recorded
in docs/testing.md.
"""

import contextlib
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

TURN_S = 10
ROUNDS = 4
DASHBOARD = "millstream-admin"
PAGES = ["/", "/streams/{stream}/groups/{group}"]


def seconds_of(pid, name=""):
    """Processor time of the threads of a process, all or those of that name, to the nanosecond."""
    total = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if not name or (task / "comm").read_text().strip() == name[:15]:
                total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


@contextlib.contextmanager
def viewer(url):
    """Watches a page as a browser does."""
    over = threading.Event()
    events = []

    def watch():
        request = urllib.request.Request(url, headers={"Accept": "text/event-stream"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            while not over.is_set():
                events.append(answer.readline())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield events
    over.set()


def main():
    binary, rate = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "50000"
    with tempfile.TemporaryDirectory() as directory:
        server = subprocess.Popen(
            [binary, "serve", "--port", "0", "--admin-port", "0", "--dir", directory],
            stderr=subprocess.PIPE, text=True,
        )
        said = ""
        while not re.search(r"listening on 127\.0\.0\.1:(\d+)", said):
            said += server.stderr.readline()
        threading.Thread(target=server.stderr.read, daemon=True).start()
        port = re.search(r"listening on 127\.0\.0\.1:(\d+)", said).group(1)
        site = re.search(r"dashboard on (http://\S+)", said).group(1)
        length = (TURN_S + 1) * ROUNDS * (len(PAGES) + 1) + 10
        load = subprocess.Popen(
            [binary, "bench", "latency", "--url", f"redis://127.0.0.1:{port}", "--rate", rate,
             "--duration", f"{length}s", "--rounds", "1"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            # Behind the round that warms up.
            time.sleep(8)
            measure(server.pid, site)
        finally:
            load.kill()
            server.terminate()
            server.wait()


def measure(pid, site):
    listing = urllib.request.urlopen(f"{site}/api/v1/streams").read().decode()
    stream = re.search(r'"stream":"([^"]*)"', listing).group(1)
    path = urllib.request.quote(stream, safe="")
    groups = urllib.request.urlopen(f"{site}/api/v1/streams/{path}/groups").read().decode()
    group = urllib.request.quote(re.search(r'"group":"([^"]*)"', groups).group(1), safe="")
    kinds = ["nobody"] + [page.format(stream=path, group=group) for page in PAGES]
    used = {kind: [] for kind in kinds}
    own = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            watching = contextlib.nullcontext() if kind == "nobody" else viewer(site + kind)
            with watching:
                time.sleep(0.5)
                before = seconds_of(pid), seconds_of(pid, DASHBOARD)
                time.sleep(TURN_S)
                after = seconds_of(pid), seconds_of(pid, DASHBOARD)
            used[kind].append((after[0] - before[0]) / TURN_S * 100)
            own[kind].append((after[1] - before[1]) / TURN_S * 100)
    alone = statistics.median(used["nobody"])
    print("percent of one processor; medians of", ROUNDS, "turns of", TURN_S, "s")
    for kind in kinds:
        median, thread = statistics.median(used[kind]), statistics.median(own[kind])
        turns = " ".join(f"{value:.1f}" for value in used[kind])
        print(f"{kind}: server {median:.2f} ({(median / alone - 1) * 100:+.2f} %), of that the "
              f"dashboard's thread {thread:.3f}; turns {turns}")


if __name__ == "__main__":
    main()
