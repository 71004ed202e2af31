"""One execution: what is wanted, the engine that plays it, what its hosts told, and its files."""
