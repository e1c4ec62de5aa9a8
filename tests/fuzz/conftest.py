"""The fuzz target is run as a program of its own, never imported by the tests."""

collect_ignore = ["fuzz_read_log.py"]
