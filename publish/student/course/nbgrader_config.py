"""nbgrader's settings: run its commands in this folder.

    nbgrader generate_assignment series
    nbgrader autograde series
    nbgrader generate_feedback series

Activate the environment first in which the course's package and nbgrader are installed. Students'
notebooks belong in submitted/NAME/series/. With --force a step is done again. Notebook 12 needs
CIFAR-10: set CS231N_DATA to the folder that holds it, or leave the notebook out with
--notebook='??_[!c]*'.
"""

import sys
from pathlib import Path

from nbgrader import preprocessors

sys.path.insert(0, str(Path(__file__).resolve().parent))  # nbgrader's commands do not
from marking.kernel import PollingKernelManager
from marking.release import MarkCells, NamedStubs, UnmarkCopies

c = get_config()  # noqa: F821  nbgrader provides it
c.CourseDirectory.course_id = "cs231n"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)
c.Execute.kernel_manager_class = PollingKernelManager
c.Execute.timeout = 300  # seconds, of a cell; notebook 12 trains for more than one minute in one
c.GenerateAssignment.preprocessors = [
    preprocessors.LockCells,
    NamedStubs,
    preprocessors.ClearOutput,
    preprocessors.CheckCellMetadata,
    preprocessors.ComputeChecksums,
    preprocessors.SaveCells,
    preprocessors.ClearHiddenTests,
    preprocessors.ClearMarkScheme,
    preprocessors.ComputeChecksums,  # what was cleared has changed them
    MarkCells,
    preprocessors.CheckCellMetadata,
]
c.Autograde.sanitize_preprocessors = [
    preprocessors.ClearOutput,
    UnmarkCopies,
    preprocessors.OverwriteKernelspec,
    preprocessors.OverwriteCells,
    preprocessors.CheckCellMetadata,
]
