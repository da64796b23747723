"""The pages: chat, sign-in, and those that agents declare, all under one strict policy."""

from collections.abc import Callable, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from emonk.extend import Page
from emonk.gateway.problems import ProblemError

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PAGE_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def html_page(body: str, status: int = 200) -> HTMLResponse:
    """A page that runs no script but ours and loads nothing from elsewhere."""
    return HTMLResponse(body, status, PAGE_HEADERS)


def sign_in_page(trouble: str = "") -> Response:
    """Ask for the token."""
    return html_page(_template("sign_in.html").substitute(trouble=escape(trouble)), 401)


def page_routes(pages: Sequence[Page]) -> list[Route]:
    """The chat at `/`, the declared pages at their own paths, and the files they load."""
    links = "".join(f'<a href="{escape(page.path)}">{escape(page.title)}</a>' for page in pages)

    async def chat(_request: Request) -> Response:
        return html_page(_template("chat.html").substitute(pages=links))

    def declared(page: Page) -> Callable[[Request], object]:
        async def show(_request: Request) -> Response:
            body = await page.render()
            shell = _template("shell.html")
            return html_page(shell.substitute(title=escape(page.title), pages=links, body=body))

        return show

    return [
        Route("/", chat),
        Route("/static/{name}", static),
        *(Route(page.path, declared(page), name=page.title) for page in pages),
    ]


async def static(request: Request) -> Response:
    """A style sheet, a script or a picture of ours."""
    name: str = request.path_params["name"]
    kind = _TYPES.get(name.rpartition(".")[2])
    known = {file.name for file in files("emonk.gateway").joinpath("static").iterdir()}
    if kind is None or name not in known:
        raise ProblemError(404, "not_found", f"there is no file {name!r}")
    return Response(_read(name), media_type=kind, headers={"Cache-Control": "no-cache"})


def _template(name: str) -> Template:
    return Template(_read(name))


@cache
def _read(name: str) -> str:
    return files("emonk.gateway").joinpath("static", name).read_text("utf-8")
