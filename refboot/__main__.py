"""`python -m refboot` is the command `refboot`."""

import sys

from refboot.cli import main

if __name__ == "__main__":
    sys.exit(main())
