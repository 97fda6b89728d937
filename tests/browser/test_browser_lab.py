"""Every notebook in a real JupyterLab: all cells run, and every control changes its picture.

python tests/browser/test_browser_lab.py     milliseconds from key press to picture, each control
"""

import os
import sys

import numpy as np
import pytest
from headless import TOKEN, chromium, jupyterlab, new_page

from publish.notebook import Notebook

SERIES = Notebook.series()
PANEL = "window.jupyterapp.shell.currentWidget"
CONTROLS = ".widget-hslider .noUi-handle"
MOVES = 100


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


def press(box, control, key):
    """Press a key on a control; milliseconds from there until the new picture is painted."""
    control.focus()
    box.evaluate(
        """(box, seconds) => { box.painted = new Promise((resolve, reject) => {
            let pressed;
            box.addEventListener('keydown', () => pressed = performance.now(),
                                 {capture: true, once: true});
            const observer = new MutationObserver(async () => {
                observer.disconnect();
                await box.querySelector('img').decode();
                requestAnimationFrame(() => resolve(performance.now() - pressed));
            });
            observer.observe(box.querySelector('.widget-html'), {subtree: true, childList: true});
            setTimeout(() => reject(`no new picture in ${seconds} s`), 1000 * seconds);
        }) }""",
        10,
    )
    control.press(key)
    return box.evaluate("box => box.painted")


def keys(control):
    """A key that moves a slider away from its value, and the one that moves it back."""
    at_end = control.evaluate(
        "slider => Number(slider.ariaValueNow) === Number(slider.ariaValueMax)"
    )
    return ("ArrowLeft", "ArrowRight") if at_end else ("ArrowRight", "ArrowLeft")


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
        first = picture(box)
        controls = box.locator(CONTROLS)
        assert controls.count() > 0
        for control in controls.all():
            press(box, control, keys(control)[0])
        reset = box.get_by_role("button", name="Reset")
        reset.focus()
        reset.press("Enter")
        notebook.wait_for_function(
            "([box, source]) => box.querySelector('img').src === source",
            arg=[box.element_handle(), first],
        )
    assert moved == notebook.widgets, "a widget was not found"
    assert len(outputs(notebook)) == count, "moves must not add outputs"
    assert notebook.problems == []


def main():
    """Print the milliseconds of every control and what a hundred moves leave behind."""
    names = sys.argv[1:] or [notebook.name for notebook in SERIES]
    columns = ["control", "median ms", "95 % ms", "worst ms", "outputs left"]
    print(f"{'notebook':28}" + "".join(f"{column:>14}" for column in columns))
    with jupyterlab() as address, chromium() as browser:
        for name in names:
            page = new_page(browser)
            run_all(page, address, name)
            for box in widgets_of(page):
                for number, control in enumerate(box.locator(CONTROLS).all(), start=1):
                    count, times = len(outputs(page)), []
                    for _ in range(MOVES // 2):
                        times += [press(box, control, key) for key in keys(control)]
                    row = [number, *np.percentile(times, [50, 95, 100]), len(outputs(page)) - count]
                    print(f"{name:28}" + "".join(f"{value:>14.0f}" for value in row), flush=True)
            page.context.close()


if __name__ == "__main__":
    main()
