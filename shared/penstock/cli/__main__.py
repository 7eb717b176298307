"""`python -m penstock.cli` is `penstock`."""

import sys

from penstock.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
