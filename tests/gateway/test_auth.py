"""Who gets in: by token, by cookie, from where, under which name."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path

import aiohttp
import pytest

from emonk.gateway.auth import host_name, same_origin
from tests.gateway.serving import TOKEN, Served, agent_of, served


def run(work: Coroutine[None, None, None]) -> None:
    asyncio.run(work)


def browser() -> aiohttp.ClientSession:
    """A client that keeps cookies, and has no token of its own."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


async def status(http: aiohttp.ClientSession, server: Served, headers: dict[str, str] | None = None) -> int:
    async with http.post(f"{server.url}/api/chat", json={"message": "hi"}, headers=headers) as response:
        return response.status


def test_the_api_needs_the_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["hello"])) as server, browser() as stranger:
            async with stranger.get(f"{server.url}/api/sessions") as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
                assert (await response.json())["error"]["code"] == "missing_token"
            wrong = await server.refused("GET", "/api/agents", 401, headers={"Authorization": "Bearer wrong"})
            assert wrong["code"] == "wrong_token"
            assert await status(stranger, server) == 401
            assert await status(stranger, server, {"Authorization": f"bearer {TOKEN}"}) == 200

    run(main())


def test_the_printed_address_signs_a_browser_in(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, ["hello"])) as server, browser() as http:
            async with http.get(f"{server.url}/?token={TOKEN}", allow_redirects=False) as response:
                assert (response.status, response.headers["Location"]) == (303, "/")
                cookie = response.headers["Set-Cookie"]
                assert "HttpOnly" in cookie
                assert "samesite=strict" in cookie.lower()
                assert TOKEN not in cookie
            async with http.get(f"{server.url}/") as response:
                assert response.status == 200
                assert 'id="composer"' in await response.text()
            assert await status(http, server, {"Origin": server.url}) == 200

    run(main())


def test_the_sign_in_form_takes_the_token(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server, browser() as http:
            async with http.get(f"{server.url}/") as response:
                assert response.status == 401
                assert 'name="token"' in await response.text()
            async with http.post(f"{server.url}/sign-in", data={"token": "guess"}) as response:
                assert response.status == 401
                assert "not this server&#x27;s token" in await response.text()
            headers = {"Origin": server.url}
            async with http.post(f"{server.url}/sign-in", data={"token": TOKEN}, headers=headers) as response:
                assert (response.status, response.url.path) == (200, "/")

    run(main())


def test_a_wrong_token_in_the_address_gives_the_sign_in_page(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            served(agent_of(tmp_path, [])) as server,
            browser() as http,
            http.get(f"{server.url}/?token=%FFguess") as response,
        ):
            assert response.status == 401
            assert "Set-Cookie" not in response.headers

    run(main())


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://", ""])
def test_another_site_cannot_use_the_cookie(tmp_path: Path, origin: str) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server, browser() as http:
            await (await http.get(f"{server.url}/?token={TOKEN}")).read()
            assert await status(http, server, {"Origin": origin}) == 403
            assert await status(http, server) == 403

    run(main())


def test_another_site_cannot_use_the_bearer_either(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server:
            assert await status(server.http, server, {"Origin": "https://evil.example"}) == 403

    run(main())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200),
        ("LOCALHOST:99", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("emonk.example:443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil@localhost", 421),
        ("127.0.0.1.evil.example:8080", 421),
        ("", 421),
    ],
)
def test_the_server_answers_only_to_its_own_names(tmp_path: Path, host: str, expected: int) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, []), allowed_hosts=["emonk.example"]) as server:
            for path in ("/api/agents", "/health", "/static/chat.js"):
                async with server.http.get(server.url + path, headers={"Host": host}) as response:
                    assert response.status == expected

    run(main())


def test_the_name_in_a_host_header() -> None:
    assert host_name("Example.COM:80") == "example.com"
    assert host_name("[::1]") == "::1"
    assert host_name("a/b") == ""


def test_an_origin_is_compared_with_its_port() -> None:
    assert same_origin("http://localhost:8080", "localhost:8080")
    assert not same_origin("http://localhost:8081", "localhost:8080")
    assert not same_origin("file://localhost:8080", "localhost:8080")


def test_health_and_style_need_no_token_and_pages_do(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(agent_of(tmp_path, [])) as server, browser() as stranger:
            for path, expected in (("/health", 200), ("/static/base.css", 200), ("/nowhere", 401)):
                async with stranger.get(server.url + path) as response:
                    assert response.status == expected

    run(main())
