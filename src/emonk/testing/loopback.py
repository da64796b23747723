"""How stand-ins listen: on 127.0.0.1, without a log of what is asked, and gone at once."""

from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def everything(handler: Handler) -> list[web.RouteDef]:
    """One handler for all methods and paths."""
    return [web.route("*", "/{path:.*}", handler)]


async def listen(
    routes: Iterable[web.RouteDef], *, port: int = 0, max_body: int = 1 << 20
) -> tuple[web.AppRunner, str]:
    """Begin to serve; the runner, whose `cleanup` ends it, and the base URL.

    Args:
        routes: who answers what.
        port: where to listen; 0 takes a free one.
        max_body: bytes of a request's body, at most.
    """
    app = web.Application(client_max_size=max_body)
    app.router.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"
