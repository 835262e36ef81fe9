"""`python -m cityscapes.submission`: check, fix or pack a submission."""

from cityscapes.submission import main

raise SystemExit(main())
