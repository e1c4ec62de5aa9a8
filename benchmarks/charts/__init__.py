"""How long pictures of ten million pfns take to build, how much they weigh, and how smoothly they pan in a browser."""
