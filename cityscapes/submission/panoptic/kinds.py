"""Kinds of faults of the panoptic task, with their texts."""

from cityscapes.formats.panoptic_reader import MAX_FAULTS
from cityscapes.predictions import FIX_COMMAND
from cityscapes.submission.fault_counts import Kind

_AGAIN = "write this file again"
_TO_RGB = "write segment ids as colours of RGB PNGs: python -m cityscapes.convert coco_panoptic JSON DIR NEW"
_FIX = f"correct them: {FIX_COMMAND}"
_CLASSES = "use label ids of the 19 classes, for example 24 for person, and leave out other segments"

NAMED = frozenset({"image id", "duplicate image"})
"""Kinds of faults whose messages show the image alone."""
KINDS = {
    "json": Kind("JSON file", "that cannot be read", _AGAIN),
    "byte order mark": Kind(
        "JSON file", "with a byte order mark, which the server cannot read", f"write it without one: {FIX_COMMAND}"
    ),
    "structure": Kind(
        "JSON file", "of another structure", "write annotations, each with image_id, file_name and segments_info"
    ),
    "annotation": Kind("key", "of annotations, missing or of another type", "write all three for each image"),
    "image number": Kind(
        "image_id",
        "of another type than text",
        "name the images: python -m cityscapes.convert coco_panoptic JSON DIR NEW",
    ),
    "image id": Kind("image_id", "other than <city>_<6 digits>_<6 digits>", _FIX),
    "duplicate image": Kind("annotation", "of an image that has another one", "write one annotation for each image"),
    "file name": Kind("file_name", "outside the folder", "write paths relative to the folder of the PNGs"),
    "duplicate file": Kind("file_name", "that another annotation has", "write one PNG for each image"),
    "other image": Kind("file_name", "that belongs to another image", "write the PNG of the same image"),
    "missing PNG": Kind("file_name", "without a PNG in the folder", "copy the PNGs, or correct the names"),
    "segment": Kind("segment", "without a whole number as id or category_id", "write both for each segment"),
    "segment id": Kind(
        "segment", "whose id does not fit three bytes", "use the id of its pixels: red + 256 x green + 65,536 x blue"
    ),
    "segment 0": Kind("segment", "with the id 0, which means void in the PNG", "number segments from 1"),
    "duplicate segment": Kind("segment", "whose id another one of the image has", "give each segment its own id"),
    "train ids": Kind("JSON file", "with train ids as category_id", f"convert them: {FIX_COMMAND}"),
    "category": Kind("segment", "with a category_id that is not scored", _CLASSES),
    "many": Kind("JSON file", f"with more than {MAX_FAULTS:,} faults", "correct these first"),
    "damaged": Kind("PNG", "that cannot be decoded", "write or copy them again"),
    "not a PNG": Kind("file", "with a .png name and other content", "write PNGs, because JPEG alters the ids"),
    "not RGB": Kind("PNG", "of another kind than RGB of 8 bits", _TO_RGB),
    "size": Kind("PNG", "of a different size than the image", "predict at full size"),
    "RGBA": Kind("PNG", "with alpha", "this is fine, because alpha is ignored", severity="note"),
    "not in JSON": Kind("segment", "in PNGs, but not in the JSON file", "list them in segments_info, or write 0"),
    "not in PNG": Kind("segment", "in the JSON file, but not in its PNG", f"leave them out: {FIX_COMMAND}"),
}
"""Kind of a fault -> its texts, in the order of the report."""
