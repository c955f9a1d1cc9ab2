"""From a path to a handler."""

import pytest

from pilothouse.services.routing import Router
from pilothouse.services.web import Refusal, Route


async def points(_request):
    raise AssertionError


async def one(_request):
    raise AssertionError


async def remove(_request):
    raise AssertionError


ROUTER = Router(
    [
        Route("DELETE", "/2/sensor/{id}", remove),
        Route("GET", "/2/sensor/points", points),
        Route("GET", "/2/model/{m}/part/{p}", one),
    ]
)


def test_a_literal_wins_over_a_parameter_whatever_the_order():
    found = ROUTER.find("GET", ["2", "sensor", "points"])
    assert found.handler is points
    assert dict(found.match_info) == {}


def test_a_literal_without_the_method_leaves_it_to_the_parameter():
    found = ROUTER.find("DELETE", ["2", "sensor", "points"])
    assert (found.handler, dict(found.match_info)) == (remove, {"id": "points"})


def test_parameters_are_decoded_after_the_path_was_split():
    found = ROUTER.find("GET", ["2", "model", "a%2Fb", "part", "%C3%BC%20x"])
    assert dict(found.match_info) == {"m": "a/b", "p": "ü x"}


def test_head_is_answered_where_get_is():
    assert ROUTER.find("HEAD", ["2", "sensor", "points"]).handler is points


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "3/x", 404),
        ("GET", "2/sensor", 404),
        ("GET", "2/sensor/points/more", 404),
        ("DELETE", "2/sensor/", 404),
        ("PATCH", "2/sensor/points", 405),
        ("GET", "2/sensor/7", 405),
        ("GET", "2/model/%FF/part/x", 400),
        ("GET", "2/model/%00/part/x", 400),
        ("GET", f"2/model/{'m' * 600}/part/x", 400),
    ],
)
def test_what_does_not_fit_is_refused(method, path, status):
    with pytest.raises(Refusal) as caught:
        ROUTER.find(method, path.split("/"))
    assert caught.value.status == status


def test_a_wrong_method_is_told_the_right_ones():
    with pytest.raises(Refusal, match="allowed: DELETE") as caught:
        ROUTER.find("POST", ["2", "sensor", "7"])
    assert caught.value.headers == {"Allow": "DELETE"}


def test_two_routes_of_one_path_are_a_mistake():
    with pytest.raises(ValueError, match="two routes"):
        Router([Route("GET", "/1/a", one), Route("GET", "/1/a", one)])
