"""How fast the page allocator and the TTM pool are simulated, against C and against plain Python."""
