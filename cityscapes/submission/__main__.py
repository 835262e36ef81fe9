"""`python -m cityscapes.submission`: check, mend or pack a submission."""

from cityscapes.submission import main

raise SystemExit(main())
