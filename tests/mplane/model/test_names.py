"""All names of the reference document are here, with the arguments printed there."""

from __future__ import annotations

import inspect

import pytest

from pilothouse.mplane import model

FUNCTIONS = {
    "element": ["name", "reguri"],
    "initialize_registry": ["uri"],
    "message_from_dict": ["d"],
    "parse_constraint": ["prim", "sval"],
    "parse_json": ["jstr"],
    "registry_for_uri": ["uri"],
    "unparse_json": ["msg", "token_only"],
    # used by components and tools
    "preload_registry": ["filename"],
    "parse_time": ["valstr"],
    "unparse_time": ["v", "precision"],
    "parse_dur": ["valstr"],
    "unparse_dur": ["valtd"],
    "render": ["msg"],
    "render_text": ["msg"],
    "parse_yaml": ["ystr"],
    "unparse_yaml": ["msg", "token_only"],
}
STATEMENT = """
    add_metadata add_parameter add_result_column can_set_parameter_value count_metadata
    count_parameter_values count_parameters count_result_columns count_result_rows
    get_export get_label get_link get_parameter_value get_single_parameter_value
    get_token has_metadata has_parameter has_result_column metadata_names
    parameter_names parameter_values result_column_names set_export set_label set_link
    set_parameter_value set_when to_dict verb when set_token kind_str validate
"""
CLASSES = {
    "Element": (
        "name prim desc namespace",
        "compatible_with desc name parse primitive_name qualified_name "
        "transformation_to unparse",
    ),
    "Registry": ("uri filename noparse", "uri"),
    "Parameter": (
        "parent_element constraint val",
        "can_set_value get_single_value get_value has_value is_single_value "
        "set_single_value set_value",
    ),
    "Metavalue": ("parent_element val", "get_value set_value"),
    "ResultColumn": ("parent_element", "clear"),
    "Statement": ("dictval verb label token when reguri", STATEMENT),
    "Capability": ("dictval verb label token when registry_uri", STATEMENT),
    "Specification": (
        "dictval capability verb label token when schedule",
        f"fulfills is_schedulable retoken subspec_iterator {STATEMENT}",
    ),
    "Result": (
        "dictval specification verb label token when",
        f"schema_dict_iterator set_result_value {STATEMENT}",
    ),
    "BareNotification": ("dictval token", ""),
    "Exception": ("token dictval errmsg status", "get_token"),
    "Receipt": ("dictval specification token", STATEMENT),
    "Interrupt": ("dictval specification token", STATEMENT),
    "Redemption": ("dictval receipt token", STATEMENT),
    "Withdrawal": ("dictval capability token", STATEMENT),
    "Envelope": (
        "dictval content_type token label when",
        "append_message get_label get_token messages trim when",
    ),
    "When": (
        "valstr a b duration period repeated inner_duration inner_period crontab",
        "datetimes duration follows in_scope is_definite is_forever is_future "
        "is_immediate is_infinite is_past is_repeated is_singleton iterator period "
        "sort_scope timer_delays",
    ),
}
VALUES = """
    time_past time_now time_future when_infinite constraint_all prim_string
    prim_natural prim_real prim_boolean prim_time prim_address prim_url
    VERB_MEASURE VERB_QUERY VERB_COLLECT VERB_STORE VERB_CALLBACK
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_takes_the_arguments_of_the_document(name):
    assert list(inspect.signature(getattr(model, name)).parameters) == FUNCTIONS[name]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_takes_the_arguments_of_the_document_and_has_its_methods(name):
    arguments, methods = CLASSES[name]
    found = getattr(model, name)
    parameters = list(inspect.signature(found).parameters)

    assert parameters[: len(arguments.split())] == arguments.split()
    for method in methods.split():
        assert callable(getattr(found, method)), method


@pytest.mark.parametrize("name", VALUES.split())
def test_a_value_is_there(name):
    assert getattr(model, name) is not None


def test_parameters_and_columns_are_elements():
    for kind in (model.Parameter, model.Metavalue, model.ResultColumn):
        assert issubclass(kind, model.Element)
    for kind in (model.Receipt, model.Redemption, model.Interrupt, model.Withdrawal):
        assert issubclass(kind, model.Statement)
    assert issubclass(model.Exception, model.BareNotification)
    assert not issubclass(model.Exception, Exception)


def test_a_message_is_read_from_yaml_and_written():
    capability = model.Capability(label="µ", when="now ... future / 1s")
    capability.add_parameter("source.port", "1 ... 99")
    capability.add_result_column("time")

    read = model.parse_yaml(model.unparse_yaml(capability))

    assert read.to_dict() == capability.to_dict()
    with pytest.raises(ValueError, match="not YAML"):
        model.parse_yaml("{")
    with pytest.raises(ValueError, match="a message is a JSON object"):
        model.parse_yaml("- 1")
