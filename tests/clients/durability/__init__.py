"""Crash test from the clients' side; see main.py."""
