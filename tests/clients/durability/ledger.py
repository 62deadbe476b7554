"""What one client knows for certain, because the server has replied to it.

A ledger belongs to one thread and to keys that nobody else touches, so the state that the server
must show is exact. The step whose reply was lost may have happened or not: the caller compares the
server with the ledger as it is and with a copy to which that step was applied.
"""

import copy
from dataclasses import dataclass, field

GROUP = "g"


@dataclass
class Ledger:
    """State of stream `orders:N`, its group, `done:N` and the strings of thread N.

    Entry IDs are `n-0` and stand here as the number n.
    """

    number: int
    next_id: int = 1
    next_key: int = 1
    last_delivered: int = 0
    entries: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)
    consumers: set = field(default_factory=set)
    strings: dict = field(default_factory=dict)
    deadlines_ms: dict = field(default_factory=dict)
    done: list = field(default_factory=list)

    @property
    def stream(self):
        return f"orders:{self.number}"

    @property
    def done_stream(self):
        return f"done:{self.number}"

    def undelivered(self):
        return [n for n in sorted(self.entries) if n > self.last_delivered]

    def owned(self):
        """Pending IDs that have an owner."""
        return [n for n, (consumer, _) in self.pending.items() if consumer]

    def after(self, step):
        """A copy in which `step` has happened."""
        other = copy.deepcopy(self)
        step.effect(other)
        return other

    def add(self, n, value, keep=None):
        self.entries[n] = value
        self.next_id = max(self.next_id, n + 1)
        if keep is not None:
            for old in sorted(self.entries)[:-keep]:
                del self.entries[old]

    def deliver(self, consumer, count):
        for n in self.undelivered()[:count]:
            self.pending[n] = (consumer, 1)
            self.last_delivered = n

    def redeliver(self, consumer, count):
        """A history read: counts rise, but not of entries that are gone."""
        own = sorted(n for n, (owner, _) in self.pending.items() if owner == consumer)
        for n in own[:count]:
            if n in self.entries:
                self.pending[n] = (consumer, self.pending[n][1] + 1)

    def claim(self, consumer, ids):
        self.consumers.add(consumer)
        for n in ids:
            if n not in self.entries:
                self.pending.pop(n, None)
            elif n in self.pending:
                self.pending[n] = (consumer, self.pending[n][1] + 1)

    def give_back(self, ids):
        for n in ids:
            if n in self.pending:
                self.pending[n] = ("", self.pending[n][1])

    def acknowledge(self, ids):
        for n in ids:
            self.pending.pop(n, None)

    def drop_consumer(self, consumer):
        self.consumers.discard(consumer)
        for n in [n for n, (owner, _) in self.pending.items() if owner == consumer]:
            del self.pending[n]
