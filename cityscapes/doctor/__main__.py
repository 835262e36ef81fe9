"""`python -m cityscapes.doctor`: examine a data folder."""

from cityscapes.doctor import main

raise SystemExit(main())
