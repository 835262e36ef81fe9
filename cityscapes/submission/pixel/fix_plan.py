"""Plan for fixing each prediction file: the change that makes it an 8-bit mask of ids."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from cityscapes.layout import stem_in
from cityscapes.submission import archive_reader
from cityscapes.submission.archive_reader import Entry
from cityscapes.submission.pixel import pngs
from engine.errors import InputError
from engine.parallel import parallel_map


class FilePlan(NamedTuple):
    """Plan for one file that will be fixed."""

    entry: Entry
    stem: str
    """Stem of the image that the file belongs to; empty if its name does not contain one."""
    mask: pngs.MaskInfo
    """The mask after the change, before the conversion of ids; or the problem that prevents it: damaged, not a PNG, bit
    depth, colours or values above 255."""
    change: str
    """Description of the change, without the conversion of ids; empty if there is none."""


def plan_files(path: Path, entries: Sequence[Entry], workers: int) -> Iterator[FilePlan]:
    """Read files and plan their changes, in the order of the files."""
    batches = [(path, batch) for batch in archive_reader.batches(entries, workers)]
    for _, plans in parallel_map(_plan_batch, batches, workers=workers, title="examine"):
        if isinstance(plans, InputError):
            raise plans
        yield from plans


def _plan_batch(batch: tuple[Path, Sequence[Entry]]) -> list[FilePlan]:
    return [
        FilePlan(entry, stem_in(entry.name), *_planned(content))
        for entry, content in zip(batch[1], archive_reader.read(*batch), strict=True)
    ]


def _planned(content: bytes | InputError) -> tuple[pngs.MaskInfo, str]:
    """The mask of a file after its change, and the description of the change."""
    if isinstance(content, InputError):
        return pngs.MaskInfo("damaged", str(content)), ""
    mask = pngs.inspect(content)
    if mask.problem in ("colour", "16-bit"):
        return _converted(content, mask)
    return mask, "palette to grey" if mask.palette else ""


def _converted(content: bytes, mask: pngs.MaskInfo) -> tuple[pngs.MaskInfo, str]:
    """`_planned` for a file in colour or with 16 bits."""
    try:
        samples = as_grey(pngs.decode(content))
    except pngs.UNDECODABLE as error:
        return pngs.MaskInfo("damaged", str(error)), ""
    if samples is None:
        return mask._replace(problem="colours"), ""
    if samples.max() > 255:
        return mask._replace(problem="values above 255", detail=f"up to {samples.max()}"), ""
    pixels = np.bincount(samples.ravel(), minlength=256)
    change = "16 bits to 8" if mask.problem == "16-bit" else "grey stored in colour to grey"
    return pngs.MaskInfo(None, "", mask.size, tuple(pixels.tolist())), change


def as_grey(samples: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.unsignedinteger] | None:
    """One channel of an image whose colour channels are equal, without alpha; None for real colours."""
    if samples.ndim == 2:
        return samples
    colours = samples[..., :3] if samples.shape[2] >= 3 else samples[..., :1]
    return colours[..., 0] if (colours == colours[..., :1]).all() else None
