"""Do the pixels of predictions hold label ids, and nothing else?"""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from cityscapes.labels import BY_ID, CLASSES, LABELS, VOID
from cityscapes.predictions import FIX
from cityscapes.submission.roll_call import Prediction, coloured_doubles
from engine.findings import Finding, counted, fault, note

_HIGHEST = max(BY_ID)
_SCORED = frozenset(label.id for label in LABELS if not label.ignore_in_eval)
_NEVER_SCORED = frozenset(range(1, _HIGHEST + 1)) - _SCORED
_TRAIN_IDS = frozenset(range(len(CLASSES.names) + 1)) | {VOID}
"""Train ids, and the number after them that some networks give to void."""
_ENOUGH = 0.01
"""The share of pixels from which never scored ids cannot be an accident."""

_LABEL_IDS = f"expected label ids, 0 to {_HIGHEST}"
_CONVERT = f"convert them: {FIX}"
_FORMAT = {
    "damaged": ("that cannot be decoded", "write or copy them again"),
    "no PNG": ("with another kind of image under a PNG name", "write them as PNG; JPEG alters the ids"),
    "colour": ("in colour, expected one channel of label ids", "write the label ids, not their colours"),
    "16-bit": ("with 16 bits a pixel, expected 8", f"write the label ids as uint8: {FIX}"),
    "bit depth": ("with less than 8 bits a pixel, whose values decoders scale", "write the label ids as uint8"),
}


def findings(predictions: Sequence[Prediction]) -> Iterator[Finding]:
    """Every fault and note about the format and the ids of the predictions."""
    yield from _formats(predictions)
    readable = [prediction for prediction in predictions if prediction.look.pixels]
    if not readable:
        return
    pixels = np.array([prediction.look.pixels for prediction in readable]).sum(0)
    present = set(np.flatnonzero(pixels).tolist())
    what = f"got only {_listed(present)} in {counted(len(readable), 'prediction')}"
    if are_train_ids(pixels):
        yield fault("train ids", f"{what}: these are train ids, {_LABEL_IDS}", _CONVERT, _names(readable))
        return
    yield from _foreign(readable)
    if not present & _SCORED:
        yield fault(
            "nothing scored", f"{what}, {_LABEL_IDS}", f"write label ids, as road {min(_SCORED)}", _names(readable)
        )
    yield from _unscored(readable)


def are_train_ids(pixels: npt.NDArray[np.int64]) -> bool:
    """Whether the (256,) counts of a whole submission can only be train ids.

    No network emits label ids up to 18 alone: vegetation, sky and car lie above. The label ids below that are
    never scored, such as 1 to 6, are frequent classes when read as train ids.
    """
    present = set(np.flatnonzero(pixels).tolist())
    share = pixels[list(_NEVER_SCORED)].sum() / pixels.sum()
    return _TRAIN_IDS.issuperset(present) and (VOID in present or bool(share >= _ENOUGH))


def _formats(predictions: Sequence[Prediction]) -> Iterator[Finding]:
    doubles = coloured_doubles(predictions)  # a fault of their own, with another remedy
    for trouble, (what, remedy) in _FORMAT.items():
        files = [
            f"{item.name}: {item.look.detail}"
            for item in predictions
            if item.look.trouble == trouble and item.name not in doubles
        ]
        if files:
            yield fault(trouble, f"got {counted(len(files), 'file')} {what}", remedy, files)
    palettes = [prediction.name for prediction in predictions if prediction.look.palette]
    if palettes:
        what = f"got {counted(len(palettes), 'palette image')}, whose indices are read as ids"
        yield note("palette", what, "this is fine as long as the indices are label ids", palettes)


def _foreign(readable: Sequence[Prediction]) -> Iterator[Finding]:
    """Ids that the label table lacks."""
    files, seen = [], set()
    for prediction in readable:
        foreign = {value for value in range(_HIGHEST + 1, 256) if prediction.look.pixels[value]}
        seen |= foreign
        if foreign:
            files.append(f"{prediction.name}: {_listed(foreign)}")
    if files:
        what = f"got {_listed(seen)} in {counted(len(files), 'prediction')}, {_LABEL_IDS}"
        mend = f": {FIX}" if seen == {VOID} else ""
        yield fault("ids", what, f"write 0 (unlabeled) where no class is predicted{mend}", files)


def _unscored(readable: Sequence[Prediction]) -> Iterator[Finding]:
    files = []
    for prediction in readable:
        ids = {value for value in _NEVER_SCORED if prediction.look.pixels[value]}
        if ids:
            files.append(f"{prediction.name}: {_listed(ids)}")
    if files:
        what = f"got label ids that are never scored in {counted(len(files), 'prediction')}"
        yield note("unscored ids", what, f"their pixels count as misses; if they are train ids, {_CONVERT}", files)


def _names(predictions: Sequence[Prediction]) -> list[str]:
    return [prediction.name for prediction in predictions]


def _listed(ids: Collection[int]) -> str:
    """Ids in order, the middle of a long list left out."""
    ordered = [str(value) for value in sorted(ids)]
    shown = ordered if len(ordered) <= 8 else [*ordered[:4], "...", *ordered[-3:]]
    return f"{'id' if len(ordered) == 1 else 'ids'} {', '.join(shown)}"
