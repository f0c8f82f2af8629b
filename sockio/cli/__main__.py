"""``python -m sockio.cli``."""

import sys

from . import main

sys.exit(main())
