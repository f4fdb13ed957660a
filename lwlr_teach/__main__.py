"""``python -m lwlr_teach``: the command, where it is on no path."""

import sys

from lwlr_teach.command.main import main

if __name__ == "__main__":
    sys.exit(main())
