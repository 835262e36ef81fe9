"""`python -m cityscapes.submission`: check or pack a submission."""

from cityscapes.submission import main

raise SystemExit(main())
