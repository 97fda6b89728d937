"""The executed notebooks as pages: `python -m publish.pages`."""
