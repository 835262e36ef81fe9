"""Check that predictions are 8-bit masks of label ids."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from cityscapes.id_kind import NEVER_SCORED, IdKind, by_frequency, unlikely_label_ids
from cityscapes.labels import BY_ID, LABELS, VOID
from cityscapes.predictions import FIX_COMMAND, SUBTRACT_ONE
from cityscapes.submission.pixel.predictions import Prediction, colour_duplicates
from engine.findings import Finding, counted, fault, note

_HIGHEST = max(BY_ID)
_SCORED = frozenset(label.id for label in LABELS if not label.ignore_in_eval)
_LABEL_IDS = f"expected label ids, 0 to {_HIGHEST}"
_CONVERT = f"convert them: {FIX_COMMAND}"
_REMEDY_OF: dict[IdKind, str] = {"train ids": _CONVERT, "train ids plus 1": SUBTRACT_ONE}
_HASH = 12
"""Number of characters of a hash in messages."""
_FORMAT = {
    "damaged": ("that cannot be decoded", "write or copy them again"),
    "not a PNG": ("with a .png name and other content", "write them as PNG, because JPEG alters the ids"),
    "colour": ("in colour, expected one channel of label ids", "write the label ids, not their colours"),
    "16-bit": ("with 16 bits per pixel, expected 8", f"write the label ids as uint8: {FIX_COMMAND}"),
    "bit depth": ("with fewer than 8 bits per pixel, whose values decoders rescale", "write the label ids as uint8"),
}


def findings(predictions: Sequence[Prediction]) -> Iterator[Finding]:
    """Faults and notes about the format and the ids of the predictions."""
    yield from _formats(predictions)
    readable = [prediction for prediction in predictions if prediction.mask.pixels]
    if not readable:
        return
    yield from _weights(readable)
    yield from _copies(readable)
    pixels = np.array([prediction.mask.pixels for prediction in readable]).sum(0)
    present = set(np.flatnonzero(pixels).tolist())
    what = f"got only {listed(present)} in {counted(len(readable), 'prediction')}"
    kind = by_frequency(pixels)
    if kind in _REMEDY_OF:
        yield fault(kind, f"{what}: these are {kind}, {_LABEL_IDS}", _REMEDY_OF[kind], _names(readable))
        return
    if kind is None and unlikely_label_ids(pixels):
        what = f"{what}, {_LABEL_IDS}; their frequencies match neither the label ids nor the train ids of street scenes"
        remedy = f"inspect these files; if you know that the ids are train ids, run {FIX_COMMAND} --ids train"
        yield fault("unknown ids", what, remedy, _names(readable))
        return
    yield from _mixed(readable)
    yield from _unknown_ids(readable)
    if not present & _SCORED:
        yield fault(
            "nothing scored",
            f"{what}, {_LABEL_IDS}",
            f"write label ids, for example {min(_SCORED)} for road",
            _names(readable),
        )
    yield from _unscored(readable)


def _weights(readable: Sequence[Prediction]) -> Iterator[Finding]:
    """A fault for predictions made with different weights, and a note on those without a record of their weights."""
    numbers = Counter(item.mask.weights_hash for item in readable if item.mask.weights_hash)
    if not numbers:
        return
    (usual, most), *others = numbers.most_common()
    again = "predict all images with the same weights again"
    if others:
        files = [
            f"{item.name}: {item.mask.weights_hash[:_HASH]}"
            for item in readable
            if item.mask.weights_hash not in ("", usual)
        ]
        share = f"{most} of {len(readable)} with {usual[:_HASH]}"
        what = f"got predictions made with {len(numbers)} different weights, {share}"
        yield fault("mixed weights", what, again, files)
    silent = [item.name for item in readable if not item.mask.weights_hash]
    if silent:
        what = f"got {counted(len(silent), 'prediction')} without a record of the weights, unlike the others"
        yield note("unknown weights", what, f"if in doubt, {again}", silent)


def _copies(readable: Sequence[Prediction]) -> Iterator[Finding]:
    """A fault for predictions of `test_fcn.py` whose notes name the same image."""
    seen: dict[str, str] = {}
    copies = []
    for item in readable:
        first = seen.setdefault(item.mask.origin_hash, item.name) if item.mask.origin_hash else item.name
        if first != item.name:
            copies.append(f"{item.name} of {first}")
    if copies:
        what = f"got {counted(len(copies), 'file')} copied from the prediction of another image"
        yield fault("copies", what, "predict these images again", copies)


def _mixed(readable: Sequence[Prediction]) -> Iterator[Finding]:
    """A fault for predictions whose kind of ids differs from the others."""
    for kind in _REMEDY_OF:
        files = [item.name for item in readable if by_frequency(np.array(item.mask.pixels)) == kind]
        if files:
            what = (
                f"got {kind} in {len(files)} of {counted(len(readable), 'prediction')}, {_LABEL_IDS}, as in the others"
            )
            yield fault("mixed ids", what, "predict all images with the same weights and settings again", files)


def _formats(predictions: Sequence[Prediction]) -> Iterator[Finding]:
    doubles = colour_duplicates(predictions)  # reported as a separate fault, with another remedy
    for problem, (what, remedy) in _FORMAT.items():
        files = [
            f"{item.name}: {item.mask.detail}"
            for item in predictions
            if item.mask.problem == problem and item.name not in doubles
        ]
        if files:
            yield fault(problem, f"got {counted(len(files), 'file')} {what}", remedy, files)
    palettes = [prediction.name for prediction in predictions if prediction.mask.palette]
    if palettes:
        what = f"got {counted(len(palettes), 'palette image')}, whose indices are read as ids"
        yield note("palette", what, "this is fine if the indices are label ids", palettes)


def _unknown_ids(readable: Sequence[Prediction]) -> Iterator[Finding]:
    """A fault for ids outside the label table."""
    files, seen = [], set()
    for prediction in readable:
        unknown = {value for value in range(_HIGHEST + 1, 256) if prediction.mask.pixels[value]}
        seen |= unknown
        if unknown:
            files.append(f"{prediction.name}: {listed(unknown)}")
    if files:
        what = f"got {listed(seen)} in {counted(len(files), 'prediction')}, {_LABEL_IDS}"
        fix = f": {FIX_COMMAND}" if seen == {VOID} else ""
        yield fault("ids", what, f"write 0 (unlabeled) where no class is predicted{fix}", files)


def _unscored(readable: Sequence[Prediction]) -> Iterator[Finding]:
    files = []
    for prediction in readable:
        ids = {value for value in NEVER_SCORED if prediction.mask.pixels[value]}
        if ids:
            files.append(f"{prediction.name}: {listed(ids)}")
    if files:
        what = f"got label ids that are never scored in {counted(len(files), 'prediction')}"
        yield note("unscored ids", what, f"their pixels count as misses; if they are train ids, {_CONVERT}", files)


def _names(predictions: Sequence[Prediction]) -> list[str]:
    return [prediction.name for prediction in predictions]


def listed(ids: Collection[int]) -> str:
    """Ids in ascending order, without the middle of a long list."""
    ordered = [str(value) for value in sorted(ids)]
    shown = ordered if len(ordered) <= 8 else [*ordered[:4], "...", *ordered[-3:]]
    return f"{'id' if len(ordered) == 1 else 'ids'} {', '.join(shown)}"
