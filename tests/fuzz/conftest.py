"""The fuzz targets are run as programs of their own, never imported by the tests."""

collect_ignore = ["fuzz_read_log.py", "fuzz_scan.py"]
