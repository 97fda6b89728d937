"""`python -m publish.pages`."""

import sys

from publish.pages.run import main

sys.exit(main())
