"""Make a notebook run where nothing else of the project is: Colab, Kaggle, an empty folder."""

from copy import deepcopy

from nbformat import from_dict
from nbformat.v4 import new_code_cell

from publish.course import Course
from publish.notebook import Notebook

INSTALL = '''\
# @title {title}
import importlib.util
import subprocess
import sys

ADDRESS = {address!r}
if not importlib.util.find_spec("cs231n_utils"):
    if ADDRESS:
        print("Installing cs231n_utils, the course's package, from", ADDRESS, flush=True)
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", ADDRESS])
    importlib.invalidate_caches()
    if not importlib.util.find_spec("cs231n_utils"):
        raise ModuleNotFoundError("""{advice}""")'''
# The first line stays in sight when the cell is folded.
INSTALLS = "Installs cs231n_utils, the course's package, where it is missing, from {}"
LOOKS = "Looks for cs231n_utils, the course's package"
NO_ADDRESS = """\
This notebook needs the course's package, cs231n_utils.
Ask for its file, cs231n_utils-...-any.whl, put it here, and run in a cell: %pip install ./FILE
Or open the notebook in the folder of student.zip, set up as its README.md says."""
NO_NETWORK = """\
The course's package, cs231n_utils, could not be installed: see above why.
Switch the network on (in Kaggle under Session options), and run this cell again.
Or open the notebook in the folder of student.zip, set up as its README.md says."""


def standalone(notebook: Notebook) -> Notebook:
    """The notebook with a first cell that installs the package where it is missing.

    Parameters
    ----------
    notebook : Notebook
        A solved one or a student's.

    Returns
    -------
    Notebook
        The same with one cell more, which installs what course.toml names.
    """
    notebook = deepcopy(notebook)
    address = Course.read().package
    title, advice = (INSTALLS.format(address), NO_NETWORK) if address else (LOOKS, NO_ADDRESS)
    source = INSTALL.format(title=title, address=address, advice=advice)
    cell = new_code_cell(source, id="install-package")
    cell.metadata = from_dict({"jupyter": {"source_hidden": True}, "cellView": "form"})
    notebook.content.cells.insert(0, cell)
    return notebook
