"""How fast, how small and how good, on tables of real shapes: `make bench`."""
