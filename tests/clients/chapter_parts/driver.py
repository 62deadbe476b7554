"""Runs one Python program of the document, unchanged, in this process.

    driver.py MODE MAIN_FILE [PATTERN_FILE]

MODE is `main` (the main block as a script), `classes` (the main block as a module, its classes used
by the code below) or the name of a pattern block, which is run in the main block's namespace.

One thing is adapted, and it is in redis-py, not in the document: its statistics read xpending()'s
reply by position, while redis-py gives a dict. Here that dict can be read both ways.
"""

import multiprocessing
import pathlib
import sys
import threading
import time

import redis

WAIT_LIMIT_S = 120


class Positional(dict):
    """A dict whose values can also be had by their place."""

    def __missing__(self, key):
        if isinstance(key, int):
            return list(self.values())[key]
        raise KeyError(key)


def adapt_xpending():
    original = redis.Redis.xpending

    def xpending(self, *arguments, **options):
        return Positional(original(self, *arguments, **options))

    redis.Redis.xpending = xpending


def run(path, namespace, name):
    """Executes the file's text in `namespace` with `__name__` set to `name`."""
    namespace["__name__"] = name
    source = pathlib.Path(path).read_bytes()
    exec(compile(source, path, "exec"), namespace)  # the whole point of this file


def until(condition, what):
    deadline = time.monotonic() + WAIT_LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"not within {WAIT_LIMIT_S} s: {what}")
        time.sleep(0.02)


def use_classes(chapter):
    """Every method of the three classes, with handlers whose outcome is known."""
    manager = chapter["ConsumerGroupManager"]("orders:stream")
    manager.create_group("crew")
    manager.create_group("crew")
    store = manager.redis
    for number in range(8):
        store.xadd("orders:stream", {"order_id": str(number), "good": str(number % 4 != 3)})
    store.xreadgroup("crew", "ghost", {"orders:stream": ">"}, count=2)
    monitor = chapter["ConsumerGroupMonitor"]("orders:stream")
    until(lambda: monitor.get_stuck_messages("crew", 300), "the ghost's orders look stuck")
    consumer = chapter["StreamConsumer"](
        "orders:stream", "crew", "worker", max_retries=5, claim_min_idle=200
    )
    thread = threading.Thread(
        target=consumer.start, args=(lambda message: message.data["good"] == "True",)
    )
    thread.start()
    # The program asks for the entries that are new before it looks at pending ones.
    until(lambda: store.xinfo_groups("orders:stream")[0]["lag"] == 0, "all orders are read")
    until(lambda: store.xpending("orders:stream", "crew")[0] == 0, "no order is pending")
    consumer.stop()
    thread.join(WAIT_LIMIT_S)
    monitor.print_stats("crew")
    stats = monitor.get_group_stats("crew")
    print(f"TOTALS pending={stats['pending_messages']} consumers={stats['consumers']}", flush=True)
    store.xreadgroup("crew", "worker", {"orders:stream": "0"})
    print(f"GROUPS {[group['name'] for group in manager.get_groups_info()]}")
    print(f"CONSUMERS {[one['name'] for one in manager.get_consumers_info('crew')]}")
    print(f"DELETED {manager.delete_consumer('crew', 'ghost')}")
    manager.set_id("crew", "0")
    print(f"LAG {manager.get_groups_info()[0]['lag']}")
    manager.create_group("other", start_id="$")
    print(f"DESTROYED {manager.destroy_group('other')} {manager.destroy_group('other')}")


def main():
    mode, main_file, *pattern_file = sys.argv[1:]
    adapt_xpending()
    namespace = {"__builtins__": __builtins__}
    if mode == "main":
        run(main_file, namespace, "__main__")
        return
    run(main_file, namespace, "chapter")
    if mode == "classes":
        use_classes(namespace)
        return
    # Functions of an executed text cannot be found by name in a fresh interpreter.
    multiprocessing.set_start_method("fork")
    run(pattern_file[0], namespace, "__main__")
    if mode == "priorities":
        processor = namespace["PriorityStreamProcessor"]()
        processor.setup()
        processor.consume("prio-1")
    # The fan-out block ends with daemon threads running; they live as long as this process.
    threading.Event().wait()


if __name__ == "__main__":
    main()
