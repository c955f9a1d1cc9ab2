"""Secrets that were never valid, put together when a test runs.

None stands in a file of the repository, so that no scanner of repositories raises an
alarm over the tests of this one.
"""

import base64
import itertools
import json
import random
import string

LETTERS = string.ascii_letters + string.digits
URL_SAFE = LETTERS + "-_"
HEX = "0123456789abcdef"


class Maker:
    """Makes secrets of every kind; the same seed makes the same ones."""

    def __init__(self, seed=0):
        self.random = random.Random(seed)

    def word(self, length, alphabet=LETTERS):
        """Return random text in which letters and digits are mixed."""
        wanted = {c.isdigit() for c in alphabet if c.isalnum()}
        while True:
            made = "".join(self.random.choice(alphabet) for _ in range(length))
            if {c.isdigit() for c in made if c.isalnum()} == wanted:
                return made

    def scrambled(self, length, alphabet=URL_SAFE):
        """Return text as a generator of tokens makes it: all kinds, well mixed."""
        while True:
            made = self.word(length, alphabet)
            inner = {c.isupper() for c in made if c.isalpha()}
            changes = sum(
                (a.isupper(), a.isdigit()) != (b.isupper(), b.isdigit())
                for a, b in itertools.pairwise(made)
            )
            if (
                len(inner) == 2
                and changes >= 0.5 * length
                and made[0].isalnum()
                and made[-1].isalnum()
            ):
                return made

    def base64(self, length):
        return base64.b64encode(self.random.randbytes(length)).decode()

    def pem(self):
        body = self.base64(600)
        lines = [body[i : i + 64] for i in range(0, len(body), 64)]
        dashes = "-" * 5
        kind = "PRIVATE" + " KEY"
        return "\n".join(
            [
                f"{dashes}BEGIN RSA {kind}{dashes}",
                *lines,
                f"{dashes}END RSA {kind}{dashes}",
            ]
        )

    def jwt(self):
        def part(value):
            raw = base64.urlsafe_b64encode(json.dumps(value).encode())
            return raw.decode().rstrip("=")

        return ".".join(
            [
                part({"alg": "HS256", "typ": "JWT"}),
                part({"sub": self.word(8), "iat": 1516239022}),
                self.scrambled(43),
            ]
        )

    def by_shape(self):
        """Return one secret of every kind that shows by its shape alone."""
        word, scrambled = self.word, self.scrambled
        return {
            "token of a local FastScore": scrambled(43),
            "JSON web token": self.jwt(),
            "AWS access key": "AK" + "IA" + word(16, string.ascii_uppercase + "234567"),
            "GitHub token": "gh" + "p_" + word(36),
            "GitHub fine-grained": "github" + "_pat_" + word(22) + "_" + word(59),
            "GitLab token": "gl" + "pat-" + scrambled(20),
            "Slack token": "xo" + "xb-" + word(12, "0123456789") + "-" + word(24),
            "Slack webhook": "https://hooks." + "slack.com/services/T0"
            f"{word(8)}/B0{word(8)}/{word(24)}",
            "OpenAI-like key": "s" + "k-" + word(20) + "T3" + word(20),
            "OpenAI project key": "s" + "k-proj-" + scrambled(60),
            "Hugging Face token": "h" + "f_" + word(34),
            "Google API key": "AI" + "za" + word(35),
            "Google OAuth token": "ya" + "29." + scrambled(60),
            "private key": self.pem(),
            "Azure connection string": "DefaultEndpointsProtocol=https;AccountName=a;"
            "Account" + f"Key={self.base64(64)};EndpointSuffix=core.windows.net",
            "signed Azure address": "https://a.blob.core.windows.net/c?sv=2022-11-02&"
            f"sig={self.base64(32).replace('+', '%2B').replace('=', '%3D')}",
            "Stripe key": "sk" + "_live_" + word(24),
            "SendGrid key": "S" + "G." + scrambled(22) + "." + scrambled(43),
            "npm token": "np" + "m_" + word(36),
            "Databricks token": "da" + "pi" + word(32, HEX),
            "basic authorization": "Authorization: Basic "
            + base64.b64encode(f"ann:{word(12)}".encode()).decode(),
            "bearer token": f"Authorization: Bearer {word(32, HEX)}",
            "password in an address": f"https://ann:{word(10)}@suite.example/x",
            "cookie": f"Set-Cookie: connect.sid=s%3A{word(32, HEX)}.{scrambled(43)}",
            "token in an address": f"http://127.0.0.1:8888/lab?token={word(48, HEX)}",
        }

    def in_sources(self):
        """Return lines of code cells, each with the secret in it."""
        made = [self.word(n) for n in (8, 12, 16, 20, 64, 10, 14, 12, 12, 9, 11, 12)]
        fastmap = self.word(64, HEX)
        lines = {
            "assignment": ("password = '{}'", made[0]),
            "keyword": ('c = Connect(url, oauth_secret="{}")', made[1]),
            "dictionary": ('settings = {{"api_key": "{}"}}', made[2]),
            "environment": ("os.environ['PILOTHOUSE_AIMM_PASSWORD'] = '{}'", made[3]),
            "fastmap": ('fastmap.init(cloud_url=u, secret="{}")', fastmap),
            "option": ("%fastscore connect https://a.example --password {}", made[5]),
            "equals": ("%aimm connect ws://a.example --password={}", made[6]),
            "shell": ("!curl -u ann:{} https://a.example", made[7]),
            "export": ("!export MY_SECRET={} && ./run", made[8]),
            "magic env": ("%env DATABASE_PASSWORD {}", made[9]),
            "call": ('aimm.connect("ws://a.example/ws", "ann", "{}")', made[10]),
            "comment": ("# the password: {}", made[11]),
        }
        return {
            kind: (line.format(value), value) for kind, (line, value) in lines.items()
        }
