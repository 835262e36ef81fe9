"""The page: templates, styles, scripts and data in one HTML file."""

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from engine.files.atomic import strict
from engine.files.content import read_text
from engine.findings import counted
from report.pictures.collect import Pictures
from report.records import Fault, Report
from report.sections import SECTIONS

_ASSETS = Path(__file__).parent / "assets"
_LIBRARIES = (_ASSETS / "vendor/d3.min.js", _ASSETS / "vendor/plot.umd.min.js")
_BASIS = ("base", "parts", "frame")
"""Scripts and style sheets that all sections build on."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy, apart from the scripts."""
_MOST_FAULTS = 200
"""Largest number of faults that are listed."""


def contents(report: Report, pictures: Pictures) -> dict[str, Any]:
    """Name of each section -> its JSON content."""
    return {section.name: section.data(report, pictures) for section in SECTIONS}


def render(report: Report, pictures: Pictures, title: str, data: dict[str, Any] | None = None) -> str:
    """The page as HTML, complete without any other file; `data` are its `contents`, if they are known already.

    All values are escaped. In addition, the policy of the page lets no script run but its own, and nothing be loaded.
    """
    environment = Environment(
        loader=PackageLoader("report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": False}  # the first figure of a result is its main one
    environment.filters["percent"] = _percent
    scripts = [read_text(path) for path in (*_LIBRARIES, *_files("js"), _ASSETS / "start.js")]
    hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts)
    page = environment.get_template("page.html").render(
        title=title,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        policy=f"{_POLICY}; script-src {hashes}",
        styles=[Markup(read_text(path)) for path in _files("css")],
        scripts=[Markup(script) for script in scripts],
        licences=read_text(_ASSETS / "vendor/LICENSES.txt"),
        sections=SECTIONS,
        data=strict(contents(report, pictures) if data is None else data),
        report=report,
        files=pictures.files,
        counts=f"{counted(len(report.runs), 'run')}, {counted(len(report.results), 'result')}",
        faults=faults(report, pictures),
        most_faults=_MOST_FAULTS,
    )
    return page.encode(errors="backslashreplace").decode()  # a file cannot hold half of a surrogate pair


def faults(report: Report, pictures: Pictures) -> list[Fault]:
    """All faults, each once: those of the report first, then those of its runs and pictures."""
    of_runs = (fault for run in report.runs for fault in run.faults)
    return list(dict.fromkeys([*report.faults, *of_runs, *pictures.faults]))


def _files(suffix: str) -> list[Path]:
    """Files of one kind in their order: the basis, then `<section>` and `<section>_*` of each section (or `-*`)."""
    basis = [_ASSETS / f"{name}.{suffix}" for name in _BASIS]
    return basis + [
        path
        for section in SECTIONS
        for path in (_ASSETS / f"{section.name}.{suffix}", *sorted(_ASSETS.glob(f"{section.name}[-_]*.{suffix}")))
    ]


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _percent(value: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 in percent, or a dash."""
    return "-" if value is None else f"{100 * value:.{digits}f}"
