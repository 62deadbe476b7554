"""Users and their rules by the client's own methods, and a worker that may do no more than work."""

import redis

from harness.checks import equal, holds
from variants import plain, settled


async def refused(call, text):
    try:
        reply = await call
    except redis.exceptions.ResponseError as error:
        holds(text in str(error), f"refused with {text}: {error}")
    else:
        raise AssertionError(f"it answered {reply!r}")


async def users_and_rules(variant, api):
    equal(
        await api.acl_setuser(
            "worker", enabled=True, passwords=["+old", "+new"], keys=["orders*"],
            commands=["+@stream", "+@connection", "-xgroup", "+xgroup|createconsumer"],
            selectors=[("+get", "%R~settings")],
        ),
        True,
    )
    try:
        shown = await api.acl_getuser("worker")
        holds("on" in shown["flags"], f"it is on: {shown['flags']}")
        equal(len(shown["passwords"]), 2)
        equal(shown["keys"], ["~orders*"])
        equal(shown["enabled"], True)
        holds("+@stream" in shown["categories"], f"{shown['categories']}")
        holds("worker" in await api.acl_users(), "it is among the users")
        equal(len([line for line in await api.acl_list() if line.startswith("user worker ")]), 1)
        holds("stream" in await api.acl_cat(), "there are categories")
        holds("xadd" in await api.acl_cat("stream"), "with commands")
        equal(len(await api.acl_genpass()), 64)
        equal(await api.acl_dryrun("worker", "xadd", "orders", "*", "f", "v"), "OK")
        holds("no permissions" in await api.acl_dryrun("worker", "flushall"), "not that")
        await works_and_no_more(variant, api)
    finally:
        equal(await api.acl_deluser("worker"), 1)
    equal(await api.acl_getuser("worker"), None)


async def works_and_no_more(variant, api):
    await api.xgroup_create("orders", "g", "$", mkstream=True)
    await api.set("settings", "s")
    await api.acl_log_reset()
    own = variant.api(username="worker", password="new")
    try:
        equal((await own.client_info())["user"], "worker")
        await own.xadd("orders", {"a": "1"}, id="1-0")
        holds(await own.xreadgroup("g", "c", {"orders": ">"}), "it reads")
        equal(await own.xack("orders", "g", "1-0"), 1)
        equal(await own.get("settings"), "s")
        for call, text in [
            (own.set("settings", "x"), "no permissions to run the 'set' command"),
            (own.get("other"), "No permissions to access a key"),
            (own.xadd("secret", {"a": "1"}), "No permissions to access a key"),
            (own.xgroup_destroy("orders", "g"), "'xgroup|destroy'"),
            (own.flushall(), "'flushall'"),
        ]:
            await refused(call, text)
        log = await api.acl_log()
        holds(any(one["object"] == "secret" and one["username"] == "worker" for one in log), "log")
    finally:
        await own.shut()
    wrong = variant.client(username="worker", password="no")
    try:
        await settled(wrong.ping())
    except redis.exceptions.AuthenticationError as error:
        holds("WRONGPASS" in str(error) or "invalid username" in str(error), f"{error}")
    else:
        raise AssertionError("a wrong password was taken")
    finally:
        await settled(wrong.aclose() if variant.asynchronous else wrong.close())


async def a_reader_that_waits_is_told(variant, api):
    await api.xgroup_create("orders", "g", "$", mkstream=True)
    await api.acl_setuser("reader", enabled=True, nopass=True, keys=["orders"], commands=["+@all"])
    try:
        waiting = variant.start(
            lambda own: own.xreadgroup("g", "c", {"orders": ">"}, block=8000),
            username="reader", password="x",
        )
        await api.someone_waits()
        await api.acl_setuser("reader", reset_keys=True, keys=["other"])
        await api.xadd("orders", {"a": "1"})
        await refused(waiting, "No permissions to access a key")
        equal(plain(await settled(api.client.xpending("orders", "g")))["pending"], 0)
    finally:
        await api.acl_deluser("reader")


CHECKS = [users_and_rules, a_reader_that_waits_is_told]
