"""Folders of runs and results -> records; whatever is damaged, incomplete or unknown becomes a fault, not an error."""
