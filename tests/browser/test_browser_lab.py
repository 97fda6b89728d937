"""Every notebook in a real JupyterLab: all cells run, and every control changes its picture."""

import os

import pytest
from headless import TOKEN

from publish.notebook import Notebook

SERIES = Notebook.series()
PANEL = "window.jupyterapp.shell.currentWidget"
CONTROLS = ".widget-hslider .noUi-handle"


def run_all(page, lab, name, seconds=600):
    """Open a notebook, run all its cells and wait for them."""
    page.goto(f"{lab}/lab/tree/notebooks/{name}.ipynb?reset&token={TOKEN}")
    page.wait_for_function(
        "() => { const session = window.jupyterapp?.shell?.currentWidget?.sessionContext;"
        "return session?.isReady && session.session?.kernel?.status === 'idle' }",
        timeout=60_000,
    )
    page.evaluate(f"{PANEL}.content.widgets.forEach(cell => cell.model.executionCount = null)")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        f"() => {PANEL}.sessionContext.session.kernel.status === 'idle'"
        f"&& {PANEL}.content.widgets.every(cell => cell.model.type !== 'code'"
        "|| cell.model.executionCount)",
        timeout=1000 * seconds,
    )


def outputs(page):
    """The outputs of all code cells."""
    return page.evaluate(
        f"{PANEL}.content.widgets.filter(cell => cell.model.type === 'code')"
        ".flatMap(cell => cell.model.outputs.toJSON())"
    )


def widgets_of(page):
    """The boxes that `explore` made, scrolled to one after the other."""
    for cell in page.evaluate(
        f"{PANEL}.content.widgets.flatMap((cell, i) => cell.model.type === 'code'"
        "&& cell.model.getMetadata('tags')?.includes('widget') ? [i] : [])"
    ):
        page.evaluate(f"{PANEL}.content.scrollToItem({cell}, 'start')")
        box = page.locator(f".jp-Notebook-cell[data-windowed-list-index='{cell}'] .widget-vbox")
        box.first.wait_for(state="visible", timeout=20_000)
        yield box.first


def picture(box):
    """What the picture shows, as its source."""
    return box.locator("img").get_attribute("src")


def press(box, control, key, comparison, source):
    """Press a key on a control, and wait until its picture === or !== that source."""
    control.focus()
    control.press(key)
    box.page.wait_for_function(
        f"([box, source]) => box.querySelector('img').src {comparison} source",
        arg=[box.element_handle(), source],
    )


def key_away(slider):
    """A key that moves a slider away from its value."""
    at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
    return "ArrowLeft" if at_end else "ArrowRight"


@pytest.fixture(params=SERIES, ids=lambda notebook: notebook.name)
def notebook(request, page, lab):
    """The page of a notebook whose cells have run; page.widgets counts its cells tagged so."""
    if request.param.number == "10" and not os.environ.get("CS231N_DATA"):
        pytest.skip("CIFAR-10 is not here: make data, or CS231N_DATA")
    page.widgets = len(request.param.tagged("widget"))
    run_all(page, lab, request.param.name)
    return page


def test_a_notebook_runs_and_its_widgets_answer_to_the_keyboard(notebook):
    raised = [output["evalue"] for output in outputs(notebook) if output["output_type"] == "error"]
    assert raised == []
    count, moved = len(outputs(notebook)), 0
    for box in widgets_of(notebook):
        moved += 1
        first, sliders = picture(box), box.locator(CONTROLS).all()
        assert sliders
        for slider in sliders:
            press(box, slider, key_away(slider), "!==", picture(box))
        press(box, box.get_by_role("button", name="Reset"), "Enter", "===", first)
    assert moved == notebook.widgets, "a widget was not found"
    assert len(outputs(notebook)) == count, "moves must not add outputs"
    assert notebook.problems == []
