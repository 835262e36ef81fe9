"""The official scripts, with the functions of NumPy that they need: `python -m bench.contenders.official_scripts NAME`.

The pixel and the instance scorer take their folders from CITYSCAPES_DATASET and CITYSCAPES_RESULTS.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def restore_numpy() -> None:
    """Restore what the scorers use, and current versions of NumPy have removed or changed."""
    count: Any = np.count_nonzero
    # The pixel and the instance scorer call in1d, which was removed.
    setattr(np, "in1d", np.isin)  # noqa: B010
    # The instance scorer writes counts as JSON, and since NumPy 2.4 they are no longer of the type int.
    setattr(np, "count_nonzero", lambda array: int(count(array)))  # noqa: B010
    warnings.simplefilter("ignore")


def pixel() -> None:
    """Score label ids."""
    _scorer("evalPixelLevelSemanticLabeling").main()


def instance(folder: str, cache: str) -> None:
    """Score instances.

    Args:
        folder: for its files, of which gtInstances.json has the sizes of all instances of the ground truth.
        cache: "keep" uses that file of an earlier run, "new" makes it again.
    """
    scorer = _scorer("evalInstanceLevelSemanticLabeling")
    sizes = Path(folder, "gtInstances.json")
    if cache == "new":
        sizes.unlink(missing_ok=True)
    scorer.args.gtInstancesFile, scorer.args.exportFile = str(sizes), str(Path(folder, "scores.json"))
    os.chdir(folder)  # it writes matches.json to the current folder
    scorer.main()


def panoptic(*options: str) -> None:
    """Score panoptic predictions; the options are those of the script."""
    sys.argv += options
    _scorer("evalPanopticSemanticLabeling").main()


def panoptic_gt(annotations: str, output: str) -> None:
    """Make the panoptic ground truth of the split val; both folders exist."""
    from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

    convert2panoptic(annotations, output, setNames=["val"])


def _scorer(name: str) -> Any:
    return importlib.import_module(f"cityscapesscripts.evaluation.{name}")


SCRIPTS: dict[str, Callable[..., None]] = {
    "pixel": pixel,
    "instance": instance,
    "panoptic": panoptic,
    "panoptic_gt": panoptic_gt,
}

if __name__ == "__main__":
    _, chosen, *rest = sys.argv
    sys.argv = sys.argv[:1]  # the scripts read it
    restore_numpy()
    SCRIPTS[chosen](*rest)
