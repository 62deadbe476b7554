"""Several threads on one stream and one group: what all their replies together promise.

Here IDs come from the server and who reads what is a race, so the expected state is a set of rules
instead of one state. Each thread has one consumer, and at most one call whose reply was lost.
"""

from dataclasses import dataclass, field

STREAM = "shared"
GROUP = "team"
COUNT = 5


@dataclass
class Member:
    """One consumer's certain knowledge, and the call in flight when the server died."""

    name: str
    added: dict = field(default_factory=dict)
    delivered: set = field(default_factory=set)
    acknowledged: set = field(default_factory=set)
    lost_add: str | None = None
    lost_read: bool = False
    lost_ack: set = field(default_factory=set)
    serial: int = 0

    def step(self, client, rng):
        """One call; fields `lost_*` are set while it is in flight."""
        kind = rng.choice(["add", "add", "read", "read", "ack"])
        open_ids = sorted(self.delivered - self.acknowledged)
        if kind == "add":
            self.serial += 1
            self.lost_add = f"{self.name}:{self.serial}"
            id = client.xadd(STREAM, {"v": self.lost_add})
            self.added[id] = self.lost_add
            self.lost_add = None
        elif kind == "read":
            self.lost_read = True
            reply = client.xreadgroup(GROUP, self.name, {STREAM: ">"}, count=COUNT)
            self.delivered.update(id for id, _ in (reply[0][1] if reply else []))
            self.lost_read = False
        elif open_ids:
            self.lost_ack = set(rng.sample(open_ids, min(len(open_ids), 4)))
            if client.xack(STREAM, GROUP, *self.lost_ack) != len(self.lost_ack):
                raise AssertionError(f"{self.name}: an entry of its own could not be acknowledged")
            self.acknowledged |= self.lost_ack
            self.lost_ack = set()


def prepare(client):
    client.xgroup_create(STREAM, GROUP, "0", mkstream=True)


def settle(client, members):
    """Checks the rules and takes what became of the lost calls into the members' knowledge."""
    entries = {id: fields["v"] for id, fields in client.xrange(STREAM)}
    rows = client.xpending_range(STREAM, GROUP, "-", "+", 1_000_000)
    pending = {row["message_id"]: (row["consumer"], row["times_delivered"]) for row in rows}
    check_entries(entries, members)
    for member in members:
        check_pending(member, pending, entries)
    owners = [id for member in members for id in member.delivered]
    if len(owners) != len(set(owners)):
        raise AssertionError("an entry was delivered to two consumers")
    strangers = set(pending) - set(owners)
    if strangers:
        raise AssertionError(f"pending without a reader: {sorted(strangers)[:5]}")


def check_entries(entries, members):
    """Every promised entry is there as sent; others only if their add's reply was lost."""
    promised = {id: value for member in members for id, value in member.added.items()}
    for id, value in promised.items():
        if entries.get(id) != value:
            raise AssertionError(f"entry {id} ({value}) is {entries.get(id)} now")
    extra = {value: id for id, value in entries.items() if id not in promised}
    for member in members:
        id = extra.pop(member.lost_add, None)
        if id:
            member.added[id] = member.lost_add
        member.lost_add = None
    if extra:
        raise AssertionError(f"entries that nobody is waiting for: {extra}")


def check_pending(member, pending, entries):
    """What was delivered is pending with its owner and count unless it was acknowledged."""
    own = {id for id, (consumer, _) in pending.items() if consumer == member.name}
    unknown = own - member.delivered
    if unknown and not member.lost_read or len(unknown) > COUNT:
        raise AssertionError(f"{member.name} owns what it never read: {sorted(unknown)[:5]}")
    if not unknown <= set(entries):
        raise AssertionError(f"{member.name} owns what was never added")
    gone = member.delivered - own - member.acknowledged
    if not gone <= member.lost_ack:
        raise AssertionError(f"{member.name}: no longer pending: {sorted(gone)[:5]}")
    back = own & member.acknowledged
    if back:
        raise AssertionError(f"{member.name}: acknowledged and pending again: {sorted(back)[:5]}")
    counts = {pending[id][1] for id in own}
    if counts - {1}:
        raise AssertionError(f"{member.name}: delivery counts {counts}")
    member.delivered |= unknown
    member.acknowledged |= gone
    member.lost_read = False
    member.lost_ack = set()


def drain(client, members):
    """Reads the rest: in the end every entry was delivered exactly once."""
    last = members[0]
    for _ in range(100_000):
        reply = client.xreadgroup(GROUP, last.name, {STREAM: ">"}, count=1000)
        if not reply:
            break
        ids = {id for id, _ in reply[0][1]}
        if any(ids & member.delivered for member in members):
            raise AssertionError("an entry was delivered again as new")
        last.delivered |= ids
    delivered = set().union(*(member.delivered for member in members))
    added = set().union(*(set(member.added) for member in members))
    if delivered != added:
        raise AssertionError(f"{len(added)} added, {len(delivered)} delivered in the end")
    return len(added)
