"""Recorded kernel state to frames: ftrace, page_owner, buddyinfo, kpageflags (floor 2; may import `text`, `kernel`)."""
