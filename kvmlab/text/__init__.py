"""Bytes to clean numbered records: containers, mail, prefixes, unwrapping, damage (floor 1; may import `kernel`)."""
