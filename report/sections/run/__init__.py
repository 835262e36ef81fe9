"""Section `run`: curves, scores, confusion, configuration and profiles of a run, compared with another result."""

from report.sections.run.content import data

__all__ = ["data"]
