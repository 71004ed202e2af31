"""Pages of one file, made from documents alone."""
