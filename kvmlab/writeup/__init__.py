"""Cases and their write-ups: executed notebook, offline HTML, plain text (floor 5)."""
