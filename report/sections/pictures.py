"""Data of the section `pictures`."""

from typing import Any

from report.pictures.collect import Pictures
from report.records import Report


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """JSON content of the section: sets of scenes with names, sizes, scores, and the ids of their pictures."""
    del report
    return {"off": False, **pictures.content}
