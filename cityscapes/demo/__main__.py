"""`python -m cityscapes.demo`: draw a synthetic Cityscapes."""

from cityscapes.demo import main

raise SystemExit(main())
