"""File formats of the benchmark's predictions: instances as text files with masks, and COCO panoptic."""
