"""`python -m unlisted` is the command line, also where nothing was built or installed."""

import sys

from unlisted.apps.cli import main

if __name__ == "__main__":
    sys.exit(main())
