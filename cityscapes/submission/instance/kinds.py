"""Kinds of faults of the instance task, with their texts."""

from cityscapes.formats.instance import LABELS_WITH_INSTANCES, MAX_LINES
from cityscapes.predictions import FIX_COMMAND
from cityscapes.submission.fault_counts import Kind

IDS = frozenset(label.id for label in LABELS_WITH_INSTANCES)
"""Label ids of the 8 labels whose instances are scored."""
EXPECTED = "expected 24 to 28 or 31 to 33"
_RENAME = f"rename them: {FIX_COMMAND}"
_REWRITE = f"write path, label id and confidence, with single blanks: {FIX_COMMAND}"
_LEAVE_OUT = "leave out these lines, because only person, rider and the six vehicles are scored"
_COPY = "write or copy them again"
_INSIDE = "put the masks into the folder, and write paths relative to the text file"
_FULL_SIZE = "write each mask at the size of its image"

KINDS = {
    "not UTF-8": Kind("text file", "with other bytes than UTF-8", "save them as UTF-8"),
    "damaged text": Kind("text file", "that cannot be read", _COPY),
    "too many masks": Kind(
        "text file", f"with more than {MAX_LINES:,} lines", "keep the most confident predictions of each image"
    ),
    "empty line": Kind(
        "line", "without content, expected path, label id and confidence", f"remove them: {FIX_COMMAND}"
    ),
    "tab": Kind("line", "with tabs, expected single blanks", _REWRITE),
    "blank in a path": Kind("line", "with a blank in the path, which the server splits there", _RENAME),
    "fields": Kind("line", "without exactly three fields between single blanks", _REWRITE),
    "absolute path": Kind(
        "line", "with an absolute path, expected one relative to the text file", f"{_INSIDE}: {FIX_COMMAND}"
    ),
    "outside": Kind("line", "with a mask outside the folder of the predictions", _INSIDE),
    "path": Kind("line", "without the path of a mask", _REWRITE),
    "backslash in a path": Kind("line", "with backslashes, expected / between folders", _REWRITE),
    "missing mask": Kind("line", "whose mask does not exist", f"copy the masks, or correct the paths: {FIX_COMMAND}"),
    "label id": Kind("line", f"with an unknown label id, {EXPECTED}", "write label ids from the label table"),
    "label without instances": Kind("line", f"with a label that has no instances, {EXPECTED}", _LEAVE_OUT),
    "void label": Kind("line", f"with a label that is never scored, {EXPECTED}", _LEAVE_OUT),
    "confidence": Kind("line", "whose confidence is not a finite number", "write a number, for example 0.9"),
    "damaged": Kind("mask", "that cannot be decoded", _COPY),
    "size": Kind("mask", "of a different size than the image", _FULL_SIZE),
    "empty mask": Kind("mask", "without a pixel that is not 0", f"leave out their lines: {FIX_COMMAND}"),
    "black mask": Kind(
        "mask",
        "whose grey value is 0 everywhere, as the server reads it",
        "write grey PNGs of 8 bits, 255 in the instance",
    ),
    "used twice": Kind("mask", "in more than one line, of which the server uses one", "write one line for each mask"),
    "confidence range": Kind(
        "line",
        "with a confidence outside 0 to 1",
        "this is fine, because only their order counts",
        severity="note",
    ),
    "not a PNG": Kind(
        "mask",
        "of another format than PNG",
        "write PNGs, because pixels that a JPEG alters to values above 0 belong to the instance",
        severity="note",
    ),
}
"""Kind of a fault or note -> its texts, in the order of the report."""
