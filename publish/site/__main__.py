"""`python -m publish.site`."""

import sys

from publish.site.build import main

sys.exit(main())
