"""Options and profiles, and where each value came from.

Options are traits of `Pilothouse`, so ``%config Pilothouse`` lists them and a line
such as ``c.Pilothouse.timeout = 60`` in IPython's own configuration sets them.

Profiles (`pilothouse.profiles`) come in three layers, later wins:

    1  pilothouse.toml in the platform's configuration folder
    2  pilothouse.toml in the notebook's folder (where the kernel runs)
    3  the environment: PILOTHOUSE_PROFILE, PILOTHOUSE_<SERVICE>_<KEY>

This module is read when the extension is loaded, so it imports little.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import traitlets
from traitlets.config.configurable import Configurable

from pilothouse.errors import SettingsError

if TYPE_CHECKING:
    from pilothouse.profiles import Profile, Setting

__all__ = ["FILE_NAME", "Pilothouse", "Settings"]

FILE_NAME = "pilothouse.toml"
"""The name of a profile file in either folder."""


class Pilothouse(Configurable):
    """Options of the extension; ``%config Pilothouse.timeout = 60`` sets one."""

    profile = traitlets.Unicode(
        "",
        help="Profile in use; %pilot use sets it. Empty: as files and environment say.",
    ).tag(config=True)
    timeout = traitlets.Float(
        30.0, min=0.1, help="Longest wait for one answer, in seconds."
    ).tag(config=True)
    interrupt_timeout = traitlets.Float(
        2.0,
        min=0.1,
        help="Longest wait of an interrupt for its cancel, in seconds. A job itself "
        "waits for the remote end to confirm that for two seconds at most.",
    ).tag(config=True)
    refresh = traitlets.Float(
        5.0,
        min=0.0,
        help="Age at which names for completion are fetched again, in seconds.",
    ).tag(config=True)
    save = traitlets.Bool(
        True, help="Whether the cell magics save to Model Manage when connected."
    ).tag(config=True)
    brief_errors = traitlets.Bool(
        True, help="Whether an error shows in short; %tb has the whole trace."
    ).tag(config=True)
    progress = traitlets.Enum(
        ["auto", "widget", "text", "off"],
        "auto",
        help="How long work shows its progress.",
    ).tag(config=True)


class Settings:
    """The profiles, read afresh at each call from files and environment.

    Args:
        config_folder: The folder of layer 1; the platform's by default.
        folder: The folder of layer 2; the current one by default.
        environ: The environment of layer 3; this process's by default.
        options: Whose ``profile`` comes before what files and environment say.
    """

    def __init__(
        self,
        *,
        config_folder: Path | None = None,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
        options: Pilothouse | None = None,
    ) -> None:
        self._options = options
        self._config_folder = config_folder
        self._folder = folder
        self._given = environ

    @property
    def _environ(self) -> Mapping[str, str]:
        # not kept: it holds secrets, and what is kept shows in vars()
        return os.environ if self._given is None else self._given

    def files(self) -> list[Path]:
        """Return where profile files are looked for, weakest first."""
        folder = self._config_folder
        if folder is None:
            import platformdirs

            folder = platformdirs.user_config_path("pilothouse")
        return [folder / FILE_NAME, (self._folder or Path.cwd()) / FILE_NAME]

    def profiles(self) -> dict[str, Profile]:
        """Return all profiles by name, with the environment's values in the one used.

        Raises:
            SettingsError: If a file cannot be read, breaks the grammar, or holds a
                secret.
        """
        used = self.in_use()
        return {
            name: self._with(profile) if name == used.value else profile
            for name, profile in self._from_files(str(used.value)).items()
        }

    def profile(self, name: str | None = None) -> Profile:
        """Return one profile, the one in use by default.

        Raises:
            SettingsError: If no layer has a profile of that name.
        """
        if name is None:
            name = str(self.in_use().value)
            return self._with(self._from_files(name)[name])
        from pilothouse.nearest import did_you_mean

        used = self.in_use().value
        known = self._from_files("default" if name == used else str(used))
        if name not in known:
            raise SettingsError(
                f"no profile named {name!r}{did_you_mean(name, known)}",
                hint=f"define [profiles.{name}.fastscore] in {self.files()[1]}",
            )
        return self._with(known[name]) if name == used else known[name]

    def in_use(self) -> Setting:
        """Return the name of the profile in use, and what chose it."""
        from pilothouse import profiles
        from pilothouse.profiles import Setting

        if self._options is not None and self._options.profile:
            return Setting(self._options.profile, "Pilothouse.profile")
        if name := self._environ.get("PILOTHOUSE_PROFILE"):
            return Setting(name, "PILOTHOUSE_PROFILE")
        for path in reversed(self.files()):
            default = profiles.default_of(path)
            if default is not None:
                return Setting(default, str(path))
        return Setting("default", "")

    def _from_files(self, used: str) -> dict[str, Profile]:
        from pilothouse import profiles
        from pilothouse.profiles import Profile

        found: dict[str, Profile] = {}
        for path in self.files():
            for name, profile in profiles.profiles_of(path):
                found[name] = profiles.merged(found.get(name), profile)
        if used not in found:
            if used != "default":
                from pilothouse.nearest import did_you_mean

                raise SettingsError(
                    f"no profile named {used!r}{did_you_mean(used, found)}",
                    hint=f"{self.in_use().origin} chose it",
                )
            found["default"] = Profile("default")
        return found

    def _with(self, profile: Profile) -> Profile:
        from pilothouse import profiles

        layer = profiles.from_environment(profile.name, self._environ)
        return profiles.merged(profile, layer)
