"""CamVid: driving scenes in the 11 classes of the papers, and in all 32 of the annotation (Brostow et al. 2009)."""
