"""Fingerprint of the images of a run, so that a change between two starts is reported."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engine.benchmark import Sample
from engine.errors import InputError

DataState = dict[str, Any]
"""Number of steps per epoch, and for each split the number of images and hashes of their names and file sizes."""


def fingerprint(training: Sequence[Sample], validation: Sequence[Sample], steps: int) -> DataState:
    """Fingerprint of the data set, as plain names and values for the training state.

    Args:
        training: samples to train on.
        validation: samples to validate on.
        steps: number of steps per epoch.
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
    """Messages about the changes since the state was saved; empty if nothing changed."""
    found = []
    for split, done in (("train", "trained"), ("val", "validated")):
        old, new = before[split], now[split]
        if old["names"] != new["names"]:
            others = "others" if old["images"] == new["images"] else f"{new['images']}"
            compared = (
                "; the scores of earlier epochs, including the best, were measured on other images"
                if split == "val"
                else ""
            )
            found.append(f"{done} on {old['images']} images so far, on {others} from now on{compared}")
        elif old["files"] != new["files"]:
            found.append(
                f"image or mask files that the network is {done} on have changed since the last state was saved"
            )
    return found


def resume_step(before: DataState, now: DataState, step: int, accumulate: int, last: Path) -> int:
    """Step at which an epoch resumes, also with another number of processes.

    Args:
        before: fingerprint in the saved state.
        now: fingerprint of this start.
        step: steps done before, counted in steps of the saved state.
        accumulate: number of steps of a gradient accumulation.
        last: file of the state, for the message.

    Raises:
        InputError: if part of the epoch was trained on other images, so it cannot be finished.
    """
    if not step:
        return 0
    if before["train"]["names"] != now["train"]["names"]:
        raise InputError(
            f"{last}: saved within an epoch of {before['train']['images']} images, but now there are "
            f"{now['train']['images']}, or others, so the epoch cannot be finished; restore the images and masks, or "
            f"start a new run from these weights with --initial_weights {last} and another --name"
        )
    if step == before["steps"]:
        return int(now["steps"])
    converted = step * now["steps"] // before["steps"]
    return int(converted - converted % accumulate)
