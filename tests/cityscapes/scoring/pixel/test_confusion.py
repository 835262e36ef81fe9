import subprocess
import sys
from pathlib import Path

import numpy as np

from cityscapes.scoring.pixel import confusion


def test_the_confusion_table_has_percent_of_rows() -> None:
    matrix = np.zeros((34, 34), np.int64)
    matrix[7, [7, 8, 0]] = 90, 8, 2
    rows = confusion.table(matrix).splitlines()
    assert rows[1].split() == ["road", "90", "8", *["."] * 17, "2"]
    assert rows[2].split() == ["sidewalk", *["-"] * 20]
    np.testing.assert_allclose(confusion.shares(matrix)[0].sum(), 100)


def test_matplotlib_is_imported_only_for_pictures() -> None:
    program = "import sys, cityscapes.scoring; raise SystemExit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[4])
