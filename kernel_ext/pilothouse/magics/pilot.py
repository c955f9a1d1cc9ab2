"""``%pilot``: the local services, profiles, and what is wrong."""

from __future__ import annotations

from argparse import Namespace

from IPython.core.magic import magics_class

from ._arguments import Argument, Command
from ._base import HouseMagics, house_magic, subcommand
from ._readers import live_or_text
from ._show import Page, Table

__all__ = ["PilotMagics"]

PROFILE = live_or_text("PROFILE", "profile")


@magics_class
class PilotMagics(HouseMagics):
    """What concerns the whole house."""

    @house_magic(Command("pilot", "Start the local services, choose a profile."))
    def pilot(self, args: Namespace) -> Page:
        return self.status("pilot", "...")

    @subcommand("use", Argument("profile", PROFILE, "its name"), example="use lab")
    def _use(self, args: Namespace) -> Table:
        """Choose the profile that later commands use."""
        found = self.session.settings.profile(args.profile)
        self.session.options.profile = found.name
        return self._profiles(args)

    @subcommand("profiles", example="profiles")
    def _profiles(self, args: Namespace) -> Table:
        """Show the profiles, and where each value came from."""
        rows = []
        settings = self.session.settings
        chosen = settings.in_use().value
        for profile in settings.profiles().values():
            mark = "in use" if profile.name == chosen else ""
            found = list(profile.rows())
            for service, key, setting in found:
                rows.append(
                    {
                        "profile": profile.name,
                        "": mark,
                        "setting": f"{service}.{key}",
                        "value": setting.value,
                        "from": setting.origin,
                    }
                )
            if not found:
                rows.append({"profile": profile.name, "": mark, "from": profile.origin})
        return Table(("profile", "", "setting", "value", "from"), rows)
