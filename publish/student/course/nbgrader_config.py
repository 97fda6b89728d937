"""nbgrader's settings. weekly.md says how to grade; nbgrader's own commands work here, too.

Notebook 12 needs CIFAR-10: set CS231N_DATA to the folder that holds it.
"""

import sys
from pathlib import Path

from nbgrader import preprocessors

sys.path.insert(0, str(Path(__file__).resolve().parent))  # nbgrader's commands do not
from marking.autograde import CutOutputs, FairExecute, Restore
from marking.isolation import UserKernelManager
from marking.page import NamedGrades, Page
from marking.release import MarkCells, NamedStubs
from marking.workers import in_turn

HERE = Path(__file__).resolve().parent
c = get_config()  # noqa: F821  nbgrader provides it
c.CourseDirectory.course_id = "cs231n"
c.CourseDirectory.root = str(HERE)
c.Execute.kernel_manager_class = UserKernelManager
c.FairExecute.timeout = 20  # seconds of a check
c.FairExecute.timeouts = {"*": 60, "12_cifar10": 300, "15_regularization": 300}  # other cells
c.FairExecute.skip_cells_with_tag = "long"  # and cells that no check needs
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
    in_turn(preprocessors.OverwriteKernelspec),
    Restore,
    preprocessors.CheckCellMetadata,
]
c.Autograde.autograde_preprocessors = [
    FairExecute,
    CutOutputs,
    in_turn(preprocessors.SaveAutoGrades),
    in_turn(preprocessors.AssignLatePenalties),
    preprocessors.CheckCellMetadata,
]
c.GenerateFeedback.preprocessors = [in_turn(NamedGrades)]
c.GenerateFeedback.exporter_class = Page
