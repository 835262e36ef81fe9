"""Predictions and ground truth -> the scores of the Cityscapes evaluation server, with the figures behind them.

Each task has a package: `pixel`, `instance` and `panoptic`.
"""

from cityscapes.scoring.command import main
from cityscapes.scoring.pixel import measure, score
from cityscapes.scoring.pixel.result import ScoringResult
from cityscapes.scoring.pixel.scores import CityscapesScores, mean, scores_of, table

__all__ = ["CityscapesScores", "ScoringResult", "main", "mean", "measure", "score", "scores_of", "table"]
