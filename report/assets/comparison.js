// Section: comparison.
