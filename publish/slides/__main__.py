"""`python -m publish.slides`."""

import sys

from publish.slides.build import main

sys.exit(main())
