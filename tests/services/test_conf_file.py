"""The YAML file of ``pilothouse serve``."""

import pytest

from pilothouse.errors import ServiceError
from pilothouse.services.conf_file import read_conf
from pilothouse.services.fastmap.options import FastmapOptions
from pilothouse.services.spawn import default_data_dir


def read(tmp_path, text):
    path = tmp_path / "conf.yaml"
    path.write_text(text)
    return read_conf("fastscore", path)


def test_a_file_says_how_to_run_a_service(tmp_path):
    config = read(
        tmp_path,
        "data_dir: data\nhost: 0.0.0.0\nport: 8000\n"
        "engines: [a, b]\ndatabase: sqlite:///x.db\nallow_exec: true\n",
    )
    assert config.services == ("fastscore",)
    assert config.data_dir == tmp_path / "data"
    assert (config.host, config.ports) == ("0.0.0.0", {"fastscore": 8000})
    assert config.options["fastscore"] == {
        "engines": ["a", "b"],
        "database_url": "sqlite:///x.db",
        "allow_exec": True,
    }


def test_a_file_says_how_to_map(tmp_path):
    path = tmp_path / "conf.yaml"
    path.write_text(
        "workers: 2\nsecret_file: secret\npythons: [/usr/bin/python3.8]\n"
        "price_per_core_hour: 80\ninstall: true\nbatch_seconds: 60\n"
    )

    config = read_conf("fastmap", path)

    assert config.options["fastmap"] == {
        "workers": 2,
        "secret_file": str(tmp_path / "secret"),
        "pythons": ["/usr/bin/python3.8"],
        "price_per_core_hour": 80,
        "install": True,
        "batch_seconds": 60,
    }
    FastmapOptions(**config.options["fastmap"])


def test_an_empty_file_means_the_usual(tmp_path):
    config = read(tmp_path, "")
    assert config.data_dir == default_data_dir()
    assert (config.host, config.ports, config.tls) == (
        "127.0.0.1",
        {"fastscore": 0},
        None,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("colour: red", "unknown key 'colour'"),
        ("port: eighty", "port must be of type int"),
        ("port: true", "port must be of type int"),
        ("record_timeout: soon", "record_timeout must be of type float"),
        ("engines: [1]", "list of names"),
        ("[1]", "keys and values"),
        ("a: [", "cannot read"),
        ("tls_cert: missing.pem", "TLS"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, message):
    with pytest.raises(ServiceError, match=message):
        read(tmp_path, text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ServiceError, match=r"nope\.yaml"):
        read_conf("fastscore", tmp_path / "nope.yaml")
