"""Tests by Triton's interpreter, which a process must ask for before it imports Triton: see ../test_kernels.py."""

import os

if os.environ.get("TRITON_INTERPRET") != "1":
    collect_ignore_glob = ["test_*.py"]
