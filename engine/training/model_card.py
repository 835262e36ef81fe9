"""Model card of a run: README.md in its folder, with front matter that model hubs read."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import yaml

from engine.benchmark import Benchmark
from engine.tables import Table, percent_2
from engine.training import history
from engine.training.history import Row

_PRIVATE = ("root", "saved", "cache", "name", "verbose")
"""Options that do not affect the weights."""
_WRITTEN_BY = "was written by `train_fcn.py`"
"""Words by which a model card is recognised."""
_IMAGENET = (
    "If the backbone began from ImageNet weights (`backbone_weights: imagenet`, which `auto` means for networks with a "
    "VGG), the terms of ImageNet apply as well: research and education, not commercial use."
)


class CardFacts(NamedTuple):
    """Facts of a run from which its model card is made."""

    name: str
    """Name of the run."""
    benchmark: Benchmark
    """Benchmark of the samples."""
    rows: Sequence[Row]
    """History of the run, by ascending epoch."""
    best: Row | None
    """Row of the best epoch; None if no epoch was validated."""
    config: Mapping[str, Any]
    """Options of the run: plain names and values."""
    environment: Mapping[str, Any]
    """Commit, versions and hardware of the last start, from `environment.describe`."""
    images: int
    """Number of training images."""


def render(facts: CardFacts) -> str:
    """Render the model card as Markdown with YAML front matter."""
    network, data = _network(facts), facts.benchmark.name
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(facts), sort_keys=False, allow_unicode=True)}---",
        f"# {facts.name}",
        f"`{network}` for semantic segmentation, trained on the {facts.config.get('train_split', 'train')} split of "
        f"`{data}` (images: {facts.images}) for {facts.rows[-1]['epoch']} of "
        f"{facts.config.get('epochs', facts.rows[-1]['epoch'])} epochs. "
        f"This page {_WRITTEN_BY} on {datetime.now(UTC):%Y-%m-%d}.",
        f"## Scores\n\n{_scores(facts)}",
        f"## Use\n\n{_use(facts)}",
        f"## Training\n\n{_training(facts)}",
        f"## Terms of use\n\n{_terms(facts)}",
    ]
    return "\n\n".join(parts) + "\n"


def may_replace(path: Path) -> bool:
    """Whether a model card may be written to a path: there is nothing yet, or an earlier card, not the user's notes."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and _WRITTEN_BY in path.read_text(errors="replace")


def _network(facts: CardFacts) -> str:
    return str(facts.config.get("network", "network"))


def _front_matter(facts: CardFacts) -> dict[str, Any]:
    """Metadata that model hubs read."""
    network, data = _network(facts), facts.benchmark.name
    content: dict[str, Any] = {
        "library_name": "pytorch",
        "pipeline_tag": "image-segmentation",
        "license": "other",
        "tags": ["semantic-segmentation", network, data],
        "datasets": [data],
        "metrics": ["mean_iou", "accuracy"],
    }
    if facts.best is not None:
        measured = [
            {"type": "mean_iou", "value": facts.best["val_miou"]},
            {"type": "accuracy", "name": "pixel accuracy", "value": facts.best["val_pixel_accuracy"]},
        ]
        split = facts.config.get("val_split", "val")
        result = {
            "task": {"type": "image-segmentation"},
            "dataset": {"type": data, "name": data, "split": split},
            "metrics": measured,
        }
        content["model-index"] = [{"name": facts.name, "results": [result]}]
    return content


def _scores(facts: CardFacts) -> str:
    best = facts.best
    if best is None:
        return "No epoch was validated yet."
    split = facts.config.get("val_split", "val")
    figures = {"mIoU": "miou", "Dice": "mean_dice", "mean accuracy": "mean_pixel_accuracy"}
    figures |= {"pixel accuracy": "pixel_accuracy"}
    means = Table(
        {"epoch": [best["epoch"]], **{heading: [best[f"val_{name}"]] for heading, name in figures.items()}},
        dict.fromkeys(figures, percent_2),
    )
    return (
        f"Best epoch, measured on the {split} split of `{facts.benchmark.name}`, in percent:\n\n"
        f"{means.render('markdown')}\n\n"
        f"{history.by_class(best, facts.benchmark.classes.names).render('markdown')}\n\n"
        "Scores of `train` were measured on the training crops while the weights changed."
    )


def _use(facts: CardFacts) -> str:
    weights = f"saved/{facts.name}/best"
    split = facts.config.get("val_split", "val")
    benchmark = facts.config.get("benchmark", facts.benchmark.name)
    flag = "" if benchmark == "cityscapes" else f" --benchmark {benchmark}"
    return f"""`best.pth` and `best.safetensors` contain the same weights, those of the best epoch.

```sh
python test_fcn.py --model_weights_path {weights}.safetensors --root data --split {split}{flag}
```

```python
import fcn

loaded = fcn.load_network("{weights}.safetensors")
train_ids = fcn.predict(loaded, "image.png")  # (H, W) uint8
```"""


def _training(facts: CardFacts) -> str:
    chosen = {name: _public(value) for name, value in facts.config.items() if name not in _PRIVATE}
    settings = Table({"setting": [f"`{name}`" for name in chosen], "value": list(chosen.values())})
    packages = facts.environment.get("packages", {})
    versions = ", ".join(f"{name} {version}" for name, version in packages.items() if version)
    hardware = ", ".join(facts.environment.get("gpus") or [str(facts.environment.get("cpu", "unknown"))])
    return (
        f"{settings.render('markdown')}\n\n"
        f"Commit {facts.environment.get('commit') or 'unknown'}, Python {facts.environment.get('python', 'unknown')}, "
        f"{versions}; {hardware}."
    )


def _public(value: Any) -> str:
    """Value of an option as text; only the last part of a full path, because the rest may name a person or machine."""
    text = str(value)
    return PurePath(text).name if text.startswith(("/", "~")) else text


def _terms(facts: CardFacts) -> str:
    data = facts.benchmark.terms or f"`{facts.benchmark.name}` states no terms here: ask the authors of the data."
    code = "The code is under the MIT license. The terms of the training data may apply to the weights too:"
    random = facts.config.get("backbone_weights") == "none" and facts.config.get("initial_weights") is None
    return "\n\n".join([code, data] if random else [code, data, _IMAGENET])
