"""All capabilities of a client: searched, filled in, run, watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any, Final

import anywidget
import traitlets

from . import snapshot, words
from .assets import module
from .capability_fields import LABEL, SCOPE, fields_of
from .form import Form
from .measurement import MeasurementView
from .view import View

if TYPE_CHECKING:
    from pilothouse.mplane.client import HttpInitiatorClient
    from pilothouse.mplane.measurement import Measurement
    from pilothouse.mplane.model import Capability, When

__all__ = ["CapabilityBrowser", "Run"]

Run = Callable[
    ["Capability", "When | None", Mapping[str, Any], "str | None"], "Measurement"
]
"""Runs a capability: with a scope, values by parameter and a label or ``None``."""

_MOST_RUNS: Final = 6


class CapabilityBrowser(View):
    """A list of capabilities with search, a form for one, views of what was run.

    The form is made of the capability's parameters, constraints and scope: what a
    component would refuse is marked before anything is sent. Each run gets a
    `MeasurementView` below; the last six stay.

    Args:
        client: A client that knows capabilities.
        run: Runs one; the client's own ``run`` by default.
        refresh: Asks for capabilities anew; without it there is no such button.
        title: The heading.
    """

    _esm = module("capabilities.js")

    capabilities = traitlets.List(
        trait=traitlets.Dict(), help="What is shown of each."
    ).tag(sync=True)
    chosen = traitlets.Unicode("", help="Key of the one in the form.").tag(sync=True)
    form = anywidget.WidgetTrait().tag(sync=True)
    runs: Any = traitlets.List(help="The views of what was run, the newest first.").tag(
        sync=True, to_json=lambda views, _: [f"anywidget:{v.model_id}" for v in views]
    )
    doing = traitlets.Unicode("", help="What a click has begun.").tag(sync=True)
    refused = traitlets.Unicode("", help="Why a click did nothing.").tag(sync=True)
    refreshable = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        client: HttpInitiatorClient,
        *,
        run: Run | None = None,
        refresh: Callable[[], object] | None = None,
        title: str = "Capabilities",
    ) -> None:
        self._client = client
        self._run = run or _run_of(client)
        self._refresh = refresh
        self._known: dict[str, Capability] = {}
        super().__init__(
            title=title,
            form=Form(submit="Run", on_submit=self._started),
            refreshable=refresh is not None,
        )
        self._clicks = self._subscribe(self._told, hz=20, merge=_both)
        self.look()

    # -- capabilities ------------------------------------------------------------------

    def look(self) -> None:
        """Show the capabilities that the client knows now."""
        known = {
            token: self._client.capability_for(token)
            for token in self._client.capability_tokens()
        }
        ordered = sorted(known.items(), key=lambda item: (_name(item[1]), item[0]))
        with self._lock:
            self._known = dict(ordered)
            self._update(
                capabilities=[_told(token, one) for token, one in ordered],
                status=_counted(len(ordered)),
            )
            if self.chosen not in known:
                self.choose(ordered[0][0] if ordered else "")

    def choose(self, token_or_label: str) -> None:
        """Put a capability into the form.

        Raises:
            KeyError: If there is none with that token or label.
        """
        token = self._token(token_or_label)
        capability = self._known.get(token)
        self.form.ask_for(fields_of(capability) if capability is not None else ())
        self._update(chosen=token)

    def _token(self, token_or_label: str) -> str:
        if not token_or_label or token_or_label in self._known:
            return token_or_label
        for token, one in self._known.items():
            if one.get_label() == token_or_label:
                return token
        raise KeyError(f"no capability {token_or_label!r}")

    # -- running ---------------------------------------------------------------------

    def _started(self, values: dict[str, Any]) -> str:
        """Run what the form says; on the form's thread."""
        capability = self._known[self.chosen]
        scope, label = values.pop(SCOPE, None), values.pop(LABEL, None)
        asked = {
            name: value
            for name, value in values.items()
            if not capability.parameter(name).is_single_value()
        }
        measurement = self._run(capability, scope, asked, label)
        self._clicks.put({"run": MeasurementView(measurement)})
        return f"{measurement.label} was sent"

    def _told(self, traits: Mapping[str, Any]) -> None:
        changed = dict(traits)
        view = changed.pop("run", None)
        if changed.pop("look", False):
            self.look()
        if view is not None:
            runs = [view, *self.runs]
            changed["runs"] = runs[:_MOST_RUNS]
        self._update(**changed)
        if view is not None:
            for old in runs[_MOST_RUNS:]:
                old.close()

    def asked(self, ask: str, content: Mapping[str, Any]) -> None:
        """Take a choice, and the button that asks anew."""
        if ask == "choose" and content.get("key") in self._known:
            self._errands.add(lambda: self._choose(content["key"]))
        elif ask == "refresh" and self._refresh is not None and not self.doing:
            self._clicks.put({"doing": "asking for capabilities", "refused": ""})
            self._errands.add(self._ask_anew)

    def _choose(self, token: str) -> None:
        if token in self._known:
            self.choose(token)

    def _ask_anew(self) -> None:
        refused = ""
        try:
            if self._refresh is not None:
                self._refresh()
        except Exception as exc:  # shown: nothing else could take it
            refused = f"{type(exc).__name__}: {exc}"
        self._clicks.put({"doing": "", "refused": refused, "look": True})

    # -- the forms and the end -------------------------------------------------------

    def stop(self) -> None:
        """Close the form and the views; what was run goes on."""
        for view in (self.form, *self.runs):
            view.close()

    def headline(self) -> str:
        """Return how many capabilities there are, and what they are called."""
        names = [each["label"] for each in self.capabilities]
        return f"{self.title}: {self.status}" + (
            f": {', '.join(names)}" if names else ""
        )

    def body_html(self) -> str:
        """Return the capabilities, and what was run."""
        rows = [
            (
                each["label"],
                each["scope"],
                ", ".join(f"{p['name']} {p['constraint']}" for p in each["parameters"]),
                ", ".join(_with_unit(c) for c in each["columns"]),
            )
            for each in self.capabilities
        ]
        parts = [snapshot.table(["capability", "when", "parameters", "results"], rows)]
        for view in self.runs:
            parts.append(f"<p><b>{escape(view.headline())}</b></p>{view.body_html()}")
        return "".join(parts)


def _run_of(client: HttpInitiatorClient) -> Run:
    def run(
        capability: Capability,
        when: When | None,
        params: Mapping[str, Any],
        label: str | None,
    ) -> Measurement:
        return client.run(capability, when=when, params=dict(params), label=label)

    return run


def _counted(number: int) -> str:
    return f"{words.count(number)} {'capability' if number == 1 else 'capabilities'}"


def _name(capability: Capability) -> str:
    return capability.get_label() or capability.get_token()[:8]


def _told(token: str, capability: Capability) -> dict[str, Any]:
    """Return what the browser shows of a capability."""
    return {
        "key": token,
        "label": _name(capability),
        "verb": capability.verb(),
        "scope": str(capability.when() or "").strip(),
        "place": capability.get_link() or "",
        "parameters": [
            {
                "name": name,
                "constraint": str(capability.parameter(name).constraint()),
                "unit": capability.parameter(name).unit(),
                "about": capability.parameter(name).desc() or "",
            }
            for name in capability.parameter_names()
        ],
        "columns": [
            {
                "name": name,
                "unit": capability.result_column(name).unit(),
                "about": capability.result_column(name).desc() or "",
            }
            for name in capability.result_column_names()
        ],
        "metadata": [
            [name, str(value)] for name, value in capability.metadata_values().items()
        ],
    }


def _with_unit(column: Mapping[str, str]) -> str:
    return f"{column['name']} ({column['unit']})" if column["unit"] else column["name"]


def _both(waiting: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    return {**waiting, **value}
