"""KITTI Road: ground truth, bird's-eye view, data set, scoring and submission (Fritsch et al. 2013).

Nothing here imports torch but `dataset`, so that the tools that need none start at once.
"""

import sys

if sys.argv[:1] == ["-m"]:  # a tool of this package is being started
    import engine.cli.interrupts  # noqa: F401
