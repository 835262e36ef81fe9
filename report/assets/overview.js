// Section: overview.
