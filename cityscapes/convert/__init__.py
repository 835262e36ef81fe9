"""Predictions and annotations of other programs -> the formats of the benchmark."""

from cityscapes.convert.command import main

__all__ = ["main"]
