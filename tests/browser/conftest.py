"""Fixtures of the browser tests. `make browser` runs this folder; `make test` leaves it out."""

import pytest
from headless import chromium, jupyterlab, new_page


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser):
    """A page of 1280x720 pixels; page.problems lists errors and requests off this machine."""
    page = new_page(browser)
    yield page
    page.context.close()


@pytest.fixture(scope="session")
def lab():
    """The address of a JupyterLab on a copy of the notebooks."""
    with jupyterlab() as address:
        yield address
