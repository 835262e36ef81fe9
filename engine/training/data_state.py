"""Which images a run is trained and validated on, so that it does not resume on others in silence."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.benchmark import Sample
from engine.errors import InputError

DataState = dict[str, Any]
"""Steps of an epoch, and of each split the number of images, and hashes of their names and of the sizes of files."""


def fingerprint(training: Sequence[Sample], validation: Sequence[Sample], steps: int) -> DataState:
    """What a state knows of the images, as plain names and values.

    Args:
        training: samples to train on.
        validation: samples to validate on.
        steps: of an epoch.
    """
    return {"steps": steps, "train": _split(training), "val": _split(validation)}


def _split(samples: Sequence[Sample]) -> dict[str, Any]:
    sizes = [_size(path) for sample in samples for path in (sample.image, sample.mask)]
    return {"images": len(samples), "names": _hash([sample.name for sample in samples]), "files": _hash(sizes)}


def _size(path: Path | None) -> str:
    try:
        return "" if path is None else str(path.stat().st_size)
    except FileNotFoundError:
        return "missing"


def _hash(words: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(words).encode(errors="surrogateescape")).hexdigest()


def changes(before: DataState, now: DataState) -> list[str]:
    """What is not as it was when the state was saved, for people; empty if nothing changed."""
    found = []
    for split, done in (("train", "trained"), ("val", "validated")):
        old, new = before[split], now[split]
        if old["names"] != new["names"]:
            others = "others" if old["images"] == new["images"] else f"{new['images']}"
            compared = (
                "; figures of earlier epochs, also of the best one, are of other images" if split == "val" else ""
            )
            found.append(f"{done} on {old['images']} images so far, on {others} from now on{compared}")
        elif old["files"] != new["files"]:
            found.append(f"image or mask files that are {done} on have changed since the last state was saved")
    return found


def resume_step(before: DataState, now: DataState, step: int, accumulate: int, last: Path) -> int:
    """The step at which an epoch resumes, where there may be more or fewer processes than before.

    Args:
        before: from the state.
        now: of this start.
        step: steps done, of those before.
        accumulate: steps whose gradients are added up.
        last: the file of the state, for the message.

    Raises:
        InputError: if part of the epoch was trained on other images, which cannot be finished.
    """
    if not step:
        return 0
    if before["train"]["names"] != now["train"]["names"]:
        raise InputError(
            f"{last}: saved within an epoch of {before['train']['images']} images, but now there are "
            f"{now['train']['images']}, or others, so the epoch cannot be finished; put the images and masks back as "
            f"they were, or begin anew under another --name, from these weights by --initial_weights {last}"
        )
    if step == before["steps"]:
        return int(now["steps"])
    there = step * now["steps"] // before["steps"]
    return int(there - there % accumulate)
