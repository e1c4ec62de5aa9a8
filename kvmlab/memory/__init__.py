"""The model's matter: page, folio batch, buddy allocator, TTM pool (floor 1; may import `kernel`)."""
