"""Scoring and panoptic ground truth, side by side with the official scripts: whole processes on files of full size.

The scenes are the real samples under several names. The predictions are their masks, shifted by a few pixels.
"""

from bench.scoring.parts import PARTS, run, table

__all__ = ["PARTS", "run", "table"]
