"""What a page keeps of views that were closed."""

import json

from waiting import until

OPEN = """
import pathlib, time
import pilothouse_widgets as w

views = [w.Progress(10, label=str(i)) for i in range(8)]
for view in views:
    display(view)
"""
CLOSE = """
while not pathlib.Path("close them").exists():
    time.sleep(0.02)
for view in views:
    view.close()
print("all closed")
"""
BEGINNING = "/* pilothouse: one stylesheet for all views."


def texts_in(page, beginning):
    """Return how many texts of the heap begin so, by Chromium's own count."""
    cdp, chunks = page.context.new_cdp_session(page), []
    cdp.on("HeapProfiler.addHeapSnapshotChunk", lambda told: chunks.append(told))
    cdp.send("HeapProfiler.enable")
    cdp.send("HeapProfiler.collectGarbage")
    cdp.send("HeapProfiler.takeHeapSnapshot", {"reportProgress": False})
    cdp.detach()
    snapshot = json.loads("".join(chunk["chunk"] for chunk in chunks))
    fields = snapshot["snapshot"]["meta"]["node_fields"]
    kinds = snapshot["snapshot"]["meta"]["node_types"][0]
    nodes, strings = snapshot["nodes"], snapshot["strings"]
    kind, name = fields.index("type"), fields.index("name")
    return sum(
        "string" in kinds[nodes[at + kind]]
        and strings[nodes[at + name]].startswith(beginning)
        for at in range(0, len(nodes), len(fields))
    )


def test_the_texts_of_closed_views_leave_the_page(notebook):
    """JupyterLab holds the models of closed comms, so they have to be small."""
    (opened := notebook(OPEN, CLOSE)).run_all()
    opened.find(".ph-progress-label").nth(7).wait_for()
    while_open = texts_in(opened.page, BEGINNING)
    opened.signal("close them")
    opened.find('pre:has-text("all closed")').wait_for()

    assert while_open >= 8
    until(lambda: texts_in(opened.page, BEGINNING) <= while_open - 8)
