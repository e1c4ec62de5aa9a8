"""Records to typed reports: bounds, page dump, stack, registers, modules (floor 2; may import `text`, `kernel`)."""
