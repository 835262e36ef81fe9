"""`python -m cityscapes.convert`: convert predictions or annotations of another program."""

from cityscapes.convert import main

raise SystemExit(main())
