"""`python -m cityscapes.doctor`: check a data folder."""

from cityscapes.doctor import main

raise SystemExit(main())
