"""The pixel task: one label-id PNG for each image of the test set."""
