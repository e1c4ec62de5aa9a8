"""The explorer against Spin and against plain Python, on exactly the same system."""
