"""`python -m report`: write the report of runs and results."""

from report import main

raise SystemExit(main())
