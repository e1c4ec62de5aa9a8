"""Measures the fast scan of big logs against its peers: `python -m benchmarks.scan`."""
