"""Attachments over a connection that breaks: taken up where it broke."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from pilothouse.fastscore import FastScoreError, Model
from pilothouse.fastscore.suite import Connect, ModelManage
from pilothouse.transport.retries import Retries

from .breaking_proxy import BreakingProxy

CONTENT = random.Random(7).randbytes(3_000_000)


@pytest.fixture
def through(mm, suite):
    """Make a proxy in front of the suite, and a Connect through it."""
    made = []

    def make(*limits):
        proxy = BreakingProxy(int(suite.url.rpartition(":")[2]), limits)
        retries = Retries(attempts=4, base=0.01, ceiling=0.05, total=60)
        connect = Connect(proxy.url, oauth_secret=suite.token, retries=retries)
        made.append((proxy, connect))
        return proxy, connect

    yield make
    for proxy, connect in made:
        connect.close()
        proxy.close()


@pytest.fixture
def stored(mm):
    model = Model("m", "python3", "x")
    model.update(mm)
    model.attach({"a.bin": CONTENT}, "a.zip")
    return model


def test_a_broken_download_goes_on_where_it_broke(stored, through, tmp_path):
    proxy, connect = through(500_000, 1_000_000, 900_000)
    mm = connect.get("model-manage-1")
    proxy.requests.clear()
    found = mm.models["m"].attachments["a.zip"]
    path = found.save_as(tmp_path / "a.zip")
    whole = Path(stored.attachments["a.zip"].datafile).read_bytes()
    assert path.read_bytes() == whole
    ranges = [r for r in proxy.requests if b"Range: bytes=" in r]
    assert len(ranges) >= 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_download_that_never_ends_leaves_nothing_behind(stored, through, tmp_path):
    _, connect = through(*itertools.repeat(2_000, 100))
    mm = connect.get("model-manage-1")
    with pytest.raises(FastScoreError):
        mm.models["m"].attachments["a.zip"].save_as(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_upload_is_sent_again_when_its_answer_got_lost(stored, through, mm):
    proxy, connect = through(0, 0)
    path = stored.attachments["a.zip"].datafile
    model = Model("m", "python3", "x", ModelManage("model-manage-1", connect))
    made = model.attach(path, "b.zip")
    assert made.datasize == mm.models["m"].attachments["b.zip"].datasize
    assert sum(r.startswith(b"PUT ") for r in proxy.requests) == 3
