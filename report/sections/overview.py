"""Data of the section `overview`."""

from typing import Any

from report.pictures.collect import Pictures
from report.records import Report


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """JSON content of the section."""
    del pictures
    return {"runs": [{"name": run.name, "status": run.status} for run in report.runs]}
