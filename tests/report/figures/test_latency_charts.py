"""Chart of accuracy and latency: published latencies are marked as those of other devices."""

from dataclasses import replace
from pathlib import Path

import pytest

from report import page
from report.figures.write import write
from report.pictures.collect import Pictures
from tests.report.figures import drawn
from tests.report.figures.files import texts

_CHART = "accuracy-latency-cityscapes-val-IoU-AMD-EPYC-256x128-32-true.svg"


@pytest.mark.parametrize("official", [True, False])
def test_published_latencies_are_of_other_devices(official: bool, tmp_path: Path) -> None:
    scored = drawn.result("a", scores=drawn.scores(official=official))
    report = replace(drawn.report(drawn.run("a", results=(scored,))), published=(drawn.PUBLISHED,))
    write(report, page.contents(report, Pictures()), tmp_path)
    words = " ".join(texts(tmp_path / _CHART))
    index = (tmp_path / "README.md").read_text()
    assert ("published: on the device" in words) == official
    assert ("Titan X (published)" in words) == official
    assert ("Published latencies are of other devices" in index) == official
