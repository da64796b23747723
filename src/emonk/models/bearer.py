"""What gives the token of a request where that changes with time."""

from typing import Protocol

from emonk.errors import InfraError


class Bearer(Protocol):
    """The source of bearer tokens for one provider."""

    async def token(self) -> str:
        """One that is valid now.

        Raises:
            InfraError: who issues tokens cannot serve.
            ConfigError: there are no credentials, or they are refused.
        """
        ...

    def accepted(self, token: str) -> None:
        """Told of an answer other than 401."""
        ...

    def refused(self, token: str) -> InfraError | None:
        """Told of a 401: the error in its place if another token may be taken, so that the call is worth repeating."""
        ...
