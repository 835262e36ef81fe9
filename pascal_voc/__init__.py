"""Pascal VOC segmentation with SBD (Everingham et al. 2010, Hariharan et al. 2011)."""

import sys

if sys.argv[:1] == ["-m"]:  # a tool of this package is being started
    import engine.cli.interrupts  # noqa: F401
