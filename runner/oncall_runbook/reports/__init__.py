"""Reports of runs for machines and CI: one writer for each form, over the same document."""
