"""Memory for images, had once and used again."""

import functools

import numpy as np

_LARGEST_KEPT = 24 << 20
"""Bytes; glibc takes no more than 32 MiB."""


@functools.cache
def keep_freed_memory() -> None:
    """Make glibc's malloc keep what is freed for the next image, once in a process; harmless elsewhere.

    It gives blocks of megabytes back to the system at once and gets them anew, zeroed page by page, which takes
    a tenth of the time of drawing a mask and a quarter of that of decoding one. Freeing one large block raises
    its threshold to that size.
    """
    np.empty(_LARGEST_KEPT, np.uint8)
