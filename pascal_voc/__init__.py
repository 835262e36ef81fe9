"""Pascal VOC segmentation with SBD (Everingham et al. 2010, Hariharan et al. 2011)."""
