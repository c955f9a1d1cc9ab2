"""How a Connect is let in: sessions, tokens, headers, and what of it can be saved.

Source: developer interface, ``Connect.login``; contract of the real SDK 1.10.3.
"""

from __future__ import annotations

from urllib.parse import unquote

from pilothouse.secrets import Secret

from .gateway import SESSION, Gateway, SecretText, reveal
from .instance import Instance

__all__ = ["Credentials"]


class Credentials(Instance):
    """The part of a Connect that knows who asks.

    Args:
        name: Of the instance.
        gateway: Carries the credentials.
    """

    def __init__(self, name: str, gateway: Gateway) -> None:
        super().__init__(name, gateway)
        self._secrets: dict[str, Secret] = {}
        self._keep("basic-auth-secret", gateway.peer.header("Authorization"))

    def login(self, username: str, password: SecretText) -> None:
        """Open an LDAP session; later calls carry it.

        Raises:
            FastScoreNotAuthorizedError: If the suite does not know the pair.
        """
        self.gateway.login(username, password)
        session = self.gateway.peer.cookies.get(SESSION, "")
        self._keep("session-cookie", None)
        self._keep("ldap-auth-secret", unquote(session))

    def ldap_login(self, username: str, password: SecretText) -> None:
        """Open an LDAP session; the real SDK's name of `login`."""
        self.login(username, password)

    def set_ldap_secret(self, secret: SecretText | None) -> None:
        """Carry an LDAP session by its secret."""
        self.gateway.set_session(secret)
        self._keep("session-cookie", None)
        self._keep("ldap-auth-secret", secret)

    def set_session_cookie(self, cookie: SecretText | None) -> None:
        """Send a ``Cookie`` header as it is given."""
        self.gateway.set_cookie(cookie)
        self._keep("ldap-auth-secret", None)
        self._keep("session-cookie", cookie)

    def set_basic_auth_secret(self, secret: SecretText | None) -> None:
        """Send an ``Authorization`` header as it is given."""
        self.gateway.set_authorization(secret)
        self._keep("oauth2-secret", None)
        self._keep("basic-auth-secret", secret)

    def set_oauth_secret(self, token: SecretText | None) -> None:
        """Send a token as ``Authorization``."""
        self.gateway.set_authorization(token)
        self._keep("basic-auth-secret", None)
        self._keep("oauth2-secret", token)

    def _keep(self, key: str, secret: SecretText | None) -> None:
        text = reveal(secret)
        if text is None:
            self._secrets.pop(key, None)
        else:
            self._secrets[key] = Secret(text)
