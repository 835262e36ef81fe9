"""Tests by Triton's interpreter, which must be chosen before Triton is imported: see ../test_kernels.py."""

import os

if os.environ.get("TRITON_INTERPRET") != "1":
    collect_ignore_glob = ["test_*.py"]
