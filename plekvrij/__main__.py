"""`python -m plekvrij`."""

from plekvrij.cli import main

raise SystemExit(main())
