"""Side-by-side measurements against reference tools; `make bench` runs all of them."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
