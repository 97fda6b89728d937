"""Every import points down, also those inside functions and by name; no module is in a circle."""

import ast
from graphlib import TopologicalSorter

from publish.notebook import ROOT

# What each folder may import besides itself; conftest.py and noxfile.py are as tests.
BELOW = {
    "cs231n_utils": set(),
    "publish": {"cs231n_utils"},
    "tools": {"publish", "cs231n_utils"},
    "benchmarks": {"publish", "cs231n_utils"},
    "tests": {"tools", "benchmarks", "publish", "cs231n_utils"},
}
APART = ["cs231n_utils.datasets", "cs231n_utils.gradient_check", "cs231n_utils.plots"]
FILES = [*ROOT.glob("*.py"), *(path for folder in BELOW for path in ROOT.glob(f"{folder}/**/*.py"))]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in FILES
}


def imports(module):
    """The project's modules that a module imports: by a statement, or by a call with its name."""
    names = []
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        match node:
            case ast.Import():
                names += [alias.name for alias in node.names]
            case ast.ImportFrom():
                above = module.split(".")[: -node.level] if node.level else []
                source = ".".join([*above, *filter(None, [node.module])])
                names += [f"{source}.{alias.name}" for alias in node.names]
            case ast.Call(args=[first, *_]) if "import" in ast.unparse(node.func):
                words = [word.value for word in ast.walk(first) if isinstance(word, ast.Constant)]
                names += words[:1]  # of an f-string the part before the first brace
    return {known for name in names if (known := longest_known(name)) not in ("", module)}


def longest_known(name):
    """The module of the project that a dotted name begins with, or ""."""
    while name and name not in MODULES and name not in BELOW:
        name = name.rpartition(".")[0]
    return name


def test_imports_point_down():
    wrong = []
    for module in MODULES:
        folder = module.partition(".")[0]
        allowed = {folder, *BELOW.get(folder, BELOW)}
        for name in imports(module):
            apart = module in APART and name.startswith((*APART, "cs231n_utils.taught"))
            if name.partition(".")[0] not in allowed or apart:
                wrong.append(f"{module} imports {name}")
    assert not wrong


def test_no_module_is_in_a_circle():
    built = [module for module in MODULES if module.startswith(("publish", "cs231n_utils"))]
    TopologicalSorter({module: imports(module) for module in built}).prepare()
