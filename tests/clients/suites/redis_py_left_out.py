"""Which of redis-py's tests cannot pass, beyond those that use a command that is not here."""

LEFT_OUT = [
    ("CLIENT TRACKING is not supported", "no invalidation messages are sent"),
    ("test_config_get_multi_params", "CONFIG GET has the settings that mean something here"),
    ("test_command_list", "wants more than 300 commands and subcommands"),
    ("test_command_getkeys", "asks for the keys of EVAL and LMOVE, which are not here"),
]

# These go to the port that nobody has to name.
WANT_PORT_6379 = [
    f"tests/{file}{test}"
    for file, tests in {
        "test_commands.py::TestRedisCommands::": [
            "test_client_setinfo", "test_client_setinfo_with_driver_info", "test_psync",
        ],
        "test_asyncio/test_commands.py::TestRedisCommands::": [
            "test_client_setinfo", "test_client_setinfo_with_driver_info",
        ],
        "test_connection.py::": [
            "TestConnection::test_retry_connect_on_timeout_error",
            "TestConnection::test_connect_with_retries",
            "test_create_single_connection_client_from_url",
        ],
        "test_asyncio/test_connection.py::": ["test_connect_with_retries"],
        "test_asyncio/test_connection_pool.py::TestConnectionPool::": [
            "test_multiple_connections", "test_max_connections",
            "test_reuse_previously_released_connection",
        ],
    }.items()
    for test in tests
]
