"""A server of pages ends with whoever runs it, whether it wants to or not."""

import os
import signal
import subprocess
import sys

import pytest

from waiting import until

SERVER = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, getattr(signal, sys.argv[2]))
pathlib.Path(sys.argv[1]).write_text("here")
time.sleep(600)
"""
RUN = f"""
import pathlib, sys
from pilothouse.services import pages
pages._END_SECONDS = float(sys.argv[3])
place = pathlib.Path(sys.argv[1])
sys.exit(pages.run_page(
    [sys.executable, "-c", {SERVER!r}, *sys.argv[1:3]],
    lambda pid: f"{{pid}}" if place.exists() else None,
    title="Page",
    say=lambda line: print(line, flush=True),
))
"""


@pytest.mark.parametrize(
    ("way", "patience"),
    [("SIG_DFL", "60"), ("SIG_IGN", "0.2")],
    ids=["in order", "although it does not hear"],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server(tmp_path, way, patience, number):
    words = [sys.executable, "-c", RUN, str(tmp_path / "place"), way, patience]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            pid = int(process.stdout.readline().removeprefix("Page: "))
            assert process.stdout.readline() == "Ctrl-C ends it.\n"
            process.send_signal(number)
            assert process.wait(60) == 0
        finally:
            process.kill()
    with pytest.raises(ProcessLookupError):
        until(lambda: os.kill(pid, 0), what="the end of the server")
