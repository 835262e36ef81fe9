"""The panoptic task: one JSON file, and one PNG of segment ids for each image of the test set."""
