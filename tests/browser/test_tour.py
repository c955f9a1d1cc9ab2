"""The tour in JupyterLab, top to bottom, as a newcomer runs it."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest

from waiting import until

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def tour(notebook, lab):
    """The tour, open; the services that it starts are stopped at the end."""
    path = lab.root / "01_tour.ipynb"
    shutil.copy(NOTEBOOKS / path.name, path)
    yield notebook(path=path, height=1200)
    lab.pilothouse("down")


def records(opened, name):
    tile = opened.find(f'.ph-tile:has([data-value="{name}"])').text_content()
    return int(re.search(r"([\d,]+) in all", tile).group(1).replace(",", ""))


@pytest.mark.slow
def test_the_tour_runs_and_its_views_show_it(tour):
    tour.run_all()
    monitor = tour.find(".ph-engine")
    monitor.wait_for(timeout=90_000)
    chart = tour.find(".ph-chart .ph-plot")
    until(lambda: chart.count() == 1, 120, "the sensor's chart")
    until(lambda: int(chart.get_attribute("data-seq") or 0) > 0, 60, "its reports")
    tour.find(".ph-chart").scroll_into_view_if_needed()
    tour.shoot("tour-sensor", ".ph-chart")
    until(lambda: tour.is_over(), 180, "the end of the tour")

    until(lambda: monitor.get_attribute("data-state") == "FINISHED")
    monitor.scroll_into_view_if_needed()
    until(lambda: "scorer python3" in monitor.text_content())
    until(lambda: records(tour, "in") > 400_000)
    until(lambda: records(tour, "out") > 400_000)
    errors = [
        (cell.metadata.get("tags", []), output.ename)
        for cell in nbformat.read(tour.path, as_version=4).cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    ] or tour.cell_errors()
    assert len(errors) == 1
    tour.shoot("tour-monitor", ".ph-engine")
    tour.theme("JupyterLab Dark")
    until(lambda: monitor.get_attribute("data-theme") == "dark")
    tour.shoot("tour-dark")
    tour.theme("JupyterLab Light")
