"""Records to typed reports: splat bounds, page dump, stack, registers, modules (floor 2; may import `text`, `kernel`)."""
