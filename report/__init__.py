"""Runs, scores, pictures and profiles -> one self-contained HTML page, and figures for papers."""

from report.command import main

__all__ = ["main"]
