"""Which of redis-rs' tests cannot pass, beyond those that use a command that is not here."""

LEFT_OUT = [
    ("CLIENT TRACKING is not supported", "no invalidation messages are sent"),
    ("test_object_freq_command: .*'maxmemory-policy'", "keys are not evicted"),
    ("test_timeout_leaves_usable_connection", "waits in BLPOP: no lists"),
    ("test_acl_cat: .*Command `pfmerge` does not exist", "no HyperLogLogs"),
]
