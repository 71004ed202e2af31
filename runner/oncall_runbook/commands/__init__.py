"""The command line: parses, asks, prints, and returns exit codes."""
