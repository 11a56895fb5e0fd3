"""Real tables that packages ship, each with pools of three kinds: where does the program fail? `make zoo`."""
