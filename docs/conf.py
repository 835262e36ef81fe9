"""Settings of Sphinx: `make docs` builds the pages of README.md and docs/, with a reference of all commands.

The source folder is the root of the repository, so that links between pages are the same as on a code host.
"""

import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "cityscapes-fcn"
author = "the contributors"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**.md", "build/commands.md"]
exclude_patterns = ["docs/results"]
myst_heading_anchors = 3
suppress_warnings = [
    "myst.xref_missing",  # links to code; tests/test_documentation.py follows every link
    "myst.header",  # pages may begin below the first level
]
html_theme = "furo"
html_title = f"{project} {release}"
html_show_copyright = html_show_sphinx = False

CONTENTS = {
    "Data": ["docs/ground_truth", "docs/datasets"],
    "Networks": ["docs/networks", "docs/training", "docs/scaling", "docs/inference", "docs/export"],
    "Results": ["docs/scoring", "docs/report", "docs/submission", "docs/converters", "docs/profiling"],
    "Coming from another program": ["docs/coming_from/README", "docs/coming_from/*"],
    "Reference": ["build/commands", "docs/api"],
    "The project": ["docs/architecture", "docs/reliability", "docs/gpu", "docs/gpu_bench", "CONTRIBUTING", "CHANGELOG"],
    "Decisions": ["docs/decisions/*"],
}
"""Heading of the navigation -> its pages; those that are nowhere here make Sphinx warn."""


def setup(app: Any) -> None:
    """Generate the reference of commands, and the table of contents below the README."""
    from docs.cli_reference import page

    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "commands.md").write_text(page())
    app.connect("source-read", _add_contents)
    app.connect("build-finished", _add_index)


def _add_contents(app: Any, name: str, source: list[str]) -> None:
    """Append the table of contents to the first page."""
    if name != root_doc:
        return
    for caption, pages in CONTENTS.items():
        names = "\n".join(page for page in pages if "*" in page or (ROOT / f"{page}.md").is_file())
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{names}\n```\n"


def _add_index(app: Any, error: Exception | None) -> None:
    """Have a page that servers and people open first."""
    if error is None:
        forward = f'<!doctype html><meta http-equiv="refresh" content="0; url={root_doc}.html">\n'
        Path(app.outdir, "index.html").write_text(forward)
