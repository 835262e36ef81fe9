"""Reading and writing of files: atomic writes, clear errors, locks, JSON and YAML, archives, images."""
