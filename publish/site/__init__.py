"""The site: notebooks, reference and pages in one, `python -m publish.site`."""
