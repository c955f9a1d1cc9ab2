"""Model, attachment and policy types and their content types."""

import pytest

from pilothouse.fastscore.wire import mime


@pytest.mark.parametrize(("mtype", "content_type"), mime.MODEL_TYPES.items())
def test_each_model_type_and_its_content_type_belong_together(mtype, content_type):
    assert mime.model_mime(mtype) == content_type
    assert mime.model_type_of(content_type) == mtype


def test_all_twelve_model_types_are_there():
    assert set(mime.MODEL_TYPES) == {
        "pfa-json",
        "pfa-yaml",
        "pfa-pretty",
        "h2o-java",
        "python",
        "python3",
        "R",
        "java",
        "c",
        "octave",
        "jupyter",
        "sas",
    }


def test_the_small_r_is_the_big_one():
    assert mime.model_type("r") == "R"
    assert mime.model_mime("r") == "application/vnd.fastscore.model-r"
    assert mime.policy_mime("r") == "application/vnd.fastscore.import-policy-r"


@pytest.mark.parametrize("name", ["", "Python", "pfa", "scala", " python", "python2"])
def test_an_unknown_model_type_is_refused_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"known are pfa-json.*sas") as caught:
        mime.model_type(name)
    assert repr(name) in str(caught.value)


def test_parameters_of_a_content_type_do_not_matter_when_reading():
    given = "Application/vnd.fastscore.model-python3; charset=utf-8"
    assert mime.model_type_of(given) == "python3"


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/json", "application/zip"]
)
def test_a_content_type_of_no_model_is_refused(content_type):
    with pytest.raises(ValueError, match="unknown model content type"):
        mime.model_type_of(content_type)


@pytest.mark.parametrize(
    ("filename", "atype"),
    [("a.zip", "zip"), ("A.ZIP", "zip"), ("a.tar.gz", "tgz"), ("x/y.b.tgz", "tgz")],
)
def test_an_attachment_type_is_guessed_from_its_file_name(filename, atype):
    assert mime.attachment_type_of_name(filename) == atype


@pytest.mark.parametrize("filename", ["", "a", "a.gz", "a.tar", "zip", "a.zip.txt"])
def test_a_file_name_that_says_nothing_is_refused(filename):
    with pytest.raises(ValueError, match="unable to guess"):
        mime.attachment_type_of_name(filename)


@pytest.mark.parametrize(("atype", "content_type"), mime.ATTACHMENT_TYPES.items())
def test_each_attachment_type_and_its_content_type_belong_together(atype, content_type):
    assert mime.attachment_mime(atype) == content_type
    assert mime.attachment_type_of(content_type) == atype


@pytest.mark.parametrize("given", ["", "rar", "application/zip"])
def test_an_unknown_attachment_type_is_refused(given):
    with pytest.raises(ValueError, match="unknown attachment type"):
        mime.attachment_mime(given)


def test_an_unknown_attachment_content_type_is_refused():
    with pytest.raises(ValueError, match="unknown attachment content type"):
        mime.attachment_type_of("application/x-rar")


@pytest.mark.parametrize(("mtype", "content_type"), mime.POLICY_TYPES.items())
def test_each_policy_type_and_its_content_type_belong_together(mtype, content_type):
    assert mime.policy_mime(mtype) == content_type
    assert mime.policy_type_of(content_type) == mtype


@pytest.mark.parametrize("mtype", ["pfa-json", "octave", "sas", "nope"])
def test_a_type_without_a_policy_is_refused(mtype):
    with pytest.raises(ValueError, match="no import policy"):
        mime.policy_mime(mtype)


def test_an_unknown_policy_content_type_is_refused():
    with pytest.raises(ValueError, match="unknown policy content type"):
        mime.policy_type_of("text/plain")
