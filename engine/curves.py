"""A run's history as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from engine.files import replacing


def draw(history: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Draw loss, mIoU and learning rate over epochs as a PNG.

    Args:
        history: one row an epoch, with `epoch`, `learning_rate` and `{train,val}_{loss,miou}`, which are None where
            nothing was measured.
        path: of the picture.
        title: above it.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, name, label in zip(
        figure.subplots(1, 3), ("loss", "miou", "learning_rate"), ("loss", "mIoU (%)", "learning rate"), strict=True
    ):
        series = [name] if name == "learning_rate" else [f"train_{name}", f"val_{name}"]
        for key in series:
            scale = 100 if name == "miou" else 1
            measured = [(row["epoch"], scale * row[key]) for row in history if row[key] is not None]
            axes.plot(*zip(*measured, strict=True), label=key.partition("_")[0], marker=".")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        if len(series) > 1:
            axes.legend()
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=110)
