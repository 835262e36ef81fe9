"""The instance task: one text file for each image of the test set, and one mask for each predicted instance."""
