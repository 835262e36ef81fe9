"""Data of the section `submission`."""

from typing import Any

from report.pictures.collect import Pictures
from report.records import Report


def data(report: Report, pictures: Pictures) -> dict[str, Any]:
    """JSON content of the section."""
    del report, pictures
    return {}
