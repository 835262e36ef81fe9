import io
import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from engine.tables import FORMATS, Format, Table, percent, percent_2, points

TABLE = Table(
    {"class": ["road", "sky & 50 %_"], "IoU": [0.12345678901234567, math.nan], "pixels": [3, 12]}, {"IoU": percent}
)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", ["class         IoU  pixels", "road         12.3       3", "sky & 50 %_     -      12"]),
        ("csv", ["class,IoU,pixels", "road,0.12345678901234566,3", "sky & 50 %_,,12"]),
        (
            "markdown",
            [
                "| class       |   IoU |   pixels |",
                "|:------------|------:|---------:|",
                "| road        |  12.3 |        3 |",
                "| sky & 50 %_ |     - |       12 |",
            ],
        ),
        (
            "latex",
            [
                r"\begin{tabular}{lrr}",
                r"\toprule",
                r" class       &   IoU &   pixels \\",
                r"\midrule",
                r" road        &  12.3 &        3 \\",
                r" sky \& 50 \%\_ &     - &       12 \\",
                r"\bottomrule",
                r"\end{tabular}",
            ],
        ),
    ],
)
def test_a_table_in_each_format(form: Format, expected: list[str]) -> None:
    assert TABLE.render(form).splitlines() == expected


def test_csv_has_the_exact_values_of_the_dataframe() -> None:
    frame = TABLE.to_dataframe()
    assert frame["IoU"].tolist()[0] == TABLE.columns["IoU"][0]
    read = pd.read_csv(io.StringIO(TABLE.render("csv")))
    pd.testing.assert_frame_equal(read, frame, rtol=1e-15)


def test_shares_in_percent_and_points() -> None:
    assert (percent(0.12345), percent_2(0.12345), points(0.0123), points(-0.5)) == ("12.3", "12.35", "+1.2", "-50.0")


def test_text_needs_no_pandas() -> None:
    program = (
        "import sys; from engine.tables import Table; Table({'a': ['b'], 'c': [1.5]}).render(); "
        "raise SystemExit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("form", FORMATS)
def test_a_table_without_rows_has_its_headings(form: Format) -> None:
    assert "IoU" in Table({"class": [], "IoU": []}).render(form)
