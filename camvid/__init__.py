"""CamVid: driving scenes with the 11 classes of the papers, or all 32 of the annotation (Brostow et al. 2009)."""

import sys

if sys.argv[:1] == ["-m"]:  # a tool of this package is being started
    import engine.cli.interrupts  # noqa: F401
