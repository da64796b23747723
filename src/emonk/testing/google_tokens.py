"""A local stand-in for Google's token endpoint, with key files whose tokens it issues, over real HTTP on loopback."""

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from emonk.testing.loopback import listen

Json = dict[str, Any]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCE = "https://oauth2.googleapis.com/token"  # google-auth names this one, wherever the token comes from
EMAIL = "stand-in@a-project.iam.gserviceaccount.com"


class TokenServer:
    """Issues `token-1`, `token-2`, ... for signed assertions of its key files. https://www.rfc-editor.org/rfc/rfc7523.

    Attributes:
        url: the token endpoint, once entered.
        issued: how many tokens were issued.
        asked: how many requests came, refused or not.
        answer: what is answered in place of a token, as status and body; None issues.
        expires_in: seconds that a token is said to be valid.
    """

    def __init__(self, *, expires_in: int = 3600) -> None:
        self.url = ""
        self.issued = 0
        self.asked = 0
        self.answer: tuple[int, Json | str] | None = None
        self.expires_in = expires_in
        self._arrived = asyncio.Event()

    async def wait_for_requests(self, count: int) -> None:
        """Wait until so many requests have come."""
        while self.asked < count:
            self._arrived.clear()
            await self._arrived.wait()

    async def __aenter__(self) -> "TokenServer":
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - comes with google-auth

        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._runner, url = await listen([web.post("/token", self._handle)])
        self.url = f"{url}/token"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def takes(self, token: str) -> bool:
        """Whether a token is the newest."""
        return token == f"token-{self.issued}"

    def key_file(self, folder: Path, *, project: str = "a-project") -> Path:
        """A service account's key as Google gives it, whose tokens come from here."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

        pem = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        key: Json = {
            "type": "service_account",
            "project_id": project,
            "private_key_id": "1",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "client_id": "1",
            "token_uri": self.url,
        }
        path = folder / "key.json"
        path.write_text(json.dumps(key))
        return path

    async def _handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        self._arrived.set()
        if self.answer is not None:
            status, body = self.answer
            text = body if isinstance(body, str) else json.dumps(body)
            return web.Response(text=text, status=status, content_type="application/json")
        form = parse_qs(await request.text())
        if form.get("grant_type") != [JWT_BEARER] or not self._signed("".join(form.get("assertion", []))):
            body = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return web.json_response(body, status=400)
        self.issued += 1
        token = f"token-{self.issued}"
        return web.json_response({"access_token": token, "expires_in": self.expires_in, "token_type": "Bearer"})

    def _signed(self, assertion: str) -> bool:
        from google.auth import jwt  # noqa: PLC0415 - as above

        numbers = self._key.public_key()
        try:
            claims = jwt.decode(  # pyright: ignore[reportUnknownMemberType]
                assertion, certs=_certificate(numbers), audience=AUDIENCE
            )
        except (ValueError, TypeError):
            return False
        return claims.get("iss") == EMAIL


def _certificate(key: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
