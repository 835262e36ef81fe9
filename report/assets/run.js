// Section: run.
