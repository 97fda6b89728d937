"""Notebooks in a real JupyterLab: all cells run, and every control changes its picture.

`make test` runs and moves the others without it, and their pages are looked at in the site.
"""

import pytest

from publish.notebook import Notebook

SAMPLE = Notebook.series("02", "19")  # every kind of slider
PANEL = "window.jupyterapp.shell.currentWidget"


def run_all(page, address):
    """Open a notebook, run all its cells and wait for them."""
    page.goto(address)
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
        timeout=600_000,
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


def press(box, control, key, comparison, picture):
    """Press a key on a control, and wait until its picture === or !== that one."""
    control.focus()
    control.press(key)
    box.page.wait_for_function(
        f"([box, picture]) => box.querySelector('img').src {comparison} picture",
        arg=[box.element_handle(), picture],
    )


@pytest.mark.parametrize("notebook", SAMPLE, ids=lambda notebook: notebook.name)
def test_a_notebook_runs_and_its_widgets_answer_to_the_keyboard(page, lab, notebook):
    run_all(page, lab.format(notebook.name))
    before, moved = outputs(page), 0
    assert [output["evalue"] for output in before if output["output_type"] == "error"] == []
    for box in widgets_of(page):
        moved += 1
        picture, sliders = box.locator("img"), box.locator(".widget-hslider .noUi-handle").all()
        first = picture.get_attribute("src")
        assert sliders
        for slider in sliders:
            at_end = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
            away = "ArrowLeft" if at_end else "ArrowRight"
            press(box, slider, away, "!==", picture.get_attribute("src"))
        press(box, box.get_by_role("button", name="Reset"), "Enter", "===", first)
    assert moved == len(notebook.tagged("widget")), "a widget was not found"
    assert len(outputs(page)) == len(before), "moves must not add outputs"
    assert page.problems == []
