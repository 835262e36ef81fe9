"""Side-by-side measurements against the reference tools; `make bench` runs them all."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
