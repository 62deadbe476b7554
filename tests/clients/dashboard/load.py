"""Producers and workers that go on while somebody looks."""

import random
import threading

import redis


class Load:
    def __init__(self, client):
        self.port = client.connection_pool.connection_kwargs["port"]
        self.over = threading.Event()
        self.errors = []
        client.xgroup_create("orders", "billing", id="0", mkstream=True)
        client.xgroup_create("orders", "audit", id="0")
        client.xgroup_create("invoices", "mail", id="0", mkstream=True)
        policy = "VISIBILITY 3000 MAXDELIVERIES 2 BACKOFF 100 2 1000".split()
        client.execute_command("XGROUP", "CFGSET", "orders", "billing", *policy)
        # One is a dead letter from the beginning on.
        for number in (1, 2):
            client.xadd("orders", {"order_id": -number, "customer": "ada"})
            ((_, [(id, _)]),) = client.xreadgroup("billing", "eve", {"orders": ">"}, count=1)
            words = ["XNACK", "orders", "billing", "FATAL", "IDS", 1, id]
            client.execute_command(*words, "ERROR", "the card was declined: <b>insufficient</b>")
        tasks = [self.produce, lambda: self.work("orders", "billing", "ada", 0.02)]
        tasks += [lambda: self.work("orders", "billing", "bob", 0.02)]
        tasks += [lambda: self.work("orders", "audit", "cy", 0)]
        tasks += [lambda: self.work("invoices", "mail", "dee", 0.2)]
        self.threads = [threading.Thread(target=self.guard, args=(task,)) for task in tasks]

    def guard(self, task):
        try:
            task()
        except Exception as error:
            self.errors.append(error)

    def produce(self):
        client, number = redis.Redis(port=self.port), 0
        while not self.over.wait(0.1):
            with client.pipeline(transaction=False) as pipe:
                for _ in range(random.randint(10, 40)):
                    number += 1
                    fields = {"order_id": number, "customer": random.choice(["ada", "bob"])}
                    fields["json"] = '{"items":[{"sku":"A1","n":2}],"note":"<b>hello</b>"}'
                    pipe.xadd("orders", fields)
                    if number % 7 == 0:
                        pipe.xadd("invoices", {"number": number})
                pipe.execute()

    def work(self, stream, group, name, failing):
        client = redis.Redis(port=self.port)
        while not self.over.is_set():
            got = client.xreadgroup(group, name, {stream: ">"}, count=20, block=200)
            for _, entries in got or []:
                done = [id for id, _ in entries if random.random() >= failing]
                if done:
                    client.xack(stream, group, *done)

    def is_well(self):
        if self.errors:
            raise AssertionError(self.errors)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_error):
        self.over.set()
        for thread in self.threads:
            thread.join()
