"""`python -m publish.live`."""

import sys

from publish.live.build import main

sys.exit(main())
