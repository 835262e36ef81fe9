// Section: submission.
