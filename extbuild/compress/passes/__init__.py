"""One pass per file; each file's docstring lists the rules it follows."""
