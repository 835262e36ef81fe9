"""KITTI Road: ground truth, bird's-eye view, data set, scoring and submission (Fritsch et al. 2013).

Only `dataset` imports torch, so that the tools start quickly.
"""

import sys

if sys.argv[:1] == ["-m"]:  # a tool of this package is being started
    import engine.cli.interrupts  # noqa: F401
