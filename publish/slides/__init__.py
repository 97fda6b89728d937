"""A talk for each notebook: `python -m publish.slides`."""
