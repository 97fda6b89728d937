"""What makes a notebook of this series, as far as a program can tell. See CONTRIBUTING.md."""

import ast
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
MAX_CODE_LINES = 14  # of a code cell: no blank lines, comments, docstrings, imports
MAX_LINES = 25  # of a code cell, all told
LONGER_CELLS = {"train"}  # the training loop is the one definition that may be longer


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return nbformat.read(path, as_version=4).cells


@pytest.fixture
def code(cells):
    return [cell for cell in cells if cell.cell_type == "code"]


@pytest.fixture
def text(cells):
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def test_is_valid_and_normalised(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.keys() <= {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert all("execution" not in cell.metadata for cell in notebook.cells)


def test_every_cell_was_executed_in_order(code):
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_no_output_is_an_error_or_a_warning(code):
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output for output in outputs if output.get("name") == "stderr"]


def test_most_cells_have_their_output_compared(code):
    compared = [cell for cell in code if "nbval-ignore-output" not in tags(cell)]
    assert not [cell for cell in code if "nbval-skip" in tags(cell)]
    assert len(compared) >= 0.8 * len(code)


def test_every_equation_is_coded_once_and_every_label_has_its_equation(path, code, text):
    number = int(path.stem[:2])
    tagged = re.findall(r"\\tag\{([^}]*)\}", "\n".join(text))
    labels = re.findall(r"#\s*\((\d+\.\d+)\)", "\n".join(cell.source for cell in code))
    assert tagged == [f"{number}.{i}" for i in range(1, len(tagged) + 1)], "number them in order"
    assert Counter(labels) == Counter(tagged), "each tag needs exactly one labelled line of code"
    assert tagged, "a notebook of this series implements at least one equation"


def test_references_to_equations_exist(path, text):
    number = int(path.stem[:2])
    text = "\n".join(text)
    tagged = set(re.findall(r"\\tag\{([^}]*)\}", text))
    mentioned = set(re.findall(rf"\(({number}\.\d+)\)", text))
    assert mentioned <= tagged


def test_every_figure_has_alt_text_and_a_caption(path, cells):
    number = int(path.stem[:2])
    captions = []
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        images = [
            output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
        ]
        if not images:
            continue
        for image in images:
            assert len(image.metadata.get("image/png", {}).get("alt", "")) >= 20, cell.source
        if "nbval-ignore-output" not in tags(cell):
            assert following is not None
            caption = re.match(r"\*\*Figure (\d+\.\d+)\.\*\* \S", following.source)
            assert caption, f"a caption must follow:\n{cell.source}"
            captions.append(caption[1])
    assert captions == [f"{number}.{i}" for i in range(1, len(captions) + 1)]


def test_code_cells_are_small(code):
    for cell in code:
        if not any(f"def {name}(" in cell.source for name in LONGER_CELLS):
            assert len(cell.source.splitlines()) <= MAX_LINES, cell.source
            assert len(code_lines(cell.source)) <= MAX_CODE_LINES, cell.source


def code_lines(source):
    """Numbers of the lines that hold code; no comments, docstrings, imports or signatures."""
    lines = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom) or not isinstance(node, ast.stmt):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue  # a docstring
        if hasattr(node, "body"):
            lines.add(node.lineno)
        else:
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def test_prose_stands_before_every_code_cell(cells):
    """Only an exercise's check may follow another code cell at once."""
    for before, cell in pairwise(cells):
        if cell.cell_type == before.cell_type == "code":
            assert "### END SOLUTION" in before.source, cell.source


def test_opens_with_a_contract(path, cells):
    opening = cells[0].source
    assert re.match(rf"# {path.stem[:2]} \S", opening)
    for part in ["**You will**", "**Afterwards you can**", "**You need**", "**Time.**"]:
        assert part in opening
    assert re.search(r"about \d+ minutes to read, at most \d+ seconds to run", opening)
    assert int(re.search(r"at most (\d+) seconds", opening)[1]) <= 20


def test_closes_with_what_comes_next(cells, text):
    closing = "\n".join(text[-3:])
    for part in ["## What you can now do", "**Next:**", "## Sources"]:
        assert part in closing
    assert sum("headline" in tags(cell) for cell in cells) == 1


def test_headings_skip_no_level(text):
    levels = [
        len(match[1])
        for source in text
        for match in re.finditer(r"^(#+) ", re.sub(r"```.*?```", "", source, flags=re.S), re.M)
    ]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_has_two_to_four_exercises_with_solutions_and_checks(cells):
    exercises = [i for i, cell in enumerate(cells) if cell.source.startswith("### Exercise")]
    assert 2 <= len(exercises) <= 4
    headings = re.findall(r"^### Exercise", "\n".join(cell.source for cell in cells), re.M)
    assert len(headings) == len(exercises), "an exercise starts a cell of its own"
    for i in exercises:
        solution, check = cells[i + 1], cells[i + 2]
        assert "### BEGIN SOLUTION" in solution.source
        assert "### END SOLUTION" in solution.source
        assert "assert" in check.source


def test_links_lead_somewhere(path, text):
    for target in re.findall(r"\]\(([^)\s]+)\)", "\n".join(text)):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_style(text):
    prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", "", "\n".join(text), flags=re.S)
    prose = re.sub(r"!\[|!=", "", prose)
    assert "!" not in prose, re.findall(r".*!.*", prose)
    assert not re.findall(r"\b(?:obviously|clearly|simply|easy to see|trivially)\b", prose, re.I)


def test_random_numbers_come_from_a_generator(code):
    for cell in code:
        used = set(re.findall(r"np\.random\.(\w+)", cell.source))
        assert used <= {"default_rng", "Generator", "RandomState"}, cell.source
