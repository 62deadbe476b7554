"""What every client check shares: servers to start, checks to count, programs to bound.

Standard library only, so that it also runs in the interpreter that has no client installed.

    checks.py    one line per check, and the counting of them
    servers.py   the server under test: start, kill, restart on the same directory
    tooling.py   where clients are installed, and what to do when one cannot be had
    waiting.py   conditions awaited within a limit
"""
