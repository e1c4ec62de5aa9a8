"""Questions asked of reports, captures and the model: explain, replay, families, ranges (floor 3)."""
