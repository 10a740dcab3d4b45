"""Programs that keep credentials: `docker-credential-NAME`, run by docker's SDK, secrets on their standard input.

In: a helper's name, and the file and key that name it. Out: a user name and a secret. The SDK is imported here only.
Source: docker/docker-credential-helpers, README ("Development").
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from assembler.base.errors import ProgramError
from assembler.base.paths import show

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN_USER: Final = "<token>"  # noqa: S105  (a word of the protocol)
"""The user name that says that the secret is an identity token."""

_PREFIX: Final = "docker-credential-"
_LONGEST: Final = 300


class Helper(Struct, frozen=True):
    """A helper. `named_by` is the file that names it."""

    name: str
    named_by: str

    @property
    def program(self) -> str:
        """The program's name."""
        return _PREFIX + self.name

    def get(self, server: str) -> tuple[str, str] | None:
        """Return user name and secret of a server; None where the helper has none.

        Raises:
            ProgramError: the helper is not installed, fails, or answers what is no answer.
        """
        answer = self._call(lambda store: store.get(server))
        if answer is None:
            return None
        user, secret = answer.get("Username"), answer.get("Secret")
        if not isinstance(user, str) or not isinstance(secret, str):
            raise self._failed("its answer has no Username and Secret")
        return user, secret

    def store(self, server: str, username: str, secret: str) -> None:
        """Keep a secret.

        Raises:
            ProgramError: the helper is not installed or fails.
        """
        if self._call(lambda store: store.store(server, username, secret), secret) is None:
            raise self._failed("it was to keep credentials, and answers that it has none")

    def erase(self, server: str) -> bool:
        """Forget a server; say whether it was known.

        Raises:
            ProgramError: the helper is not installed or fails.
        """
        if self.get(server) is None:
            return False
        self._call(lambda store: store.erase(server))
        return True

    def servers(self) -> tuple[str, ...]:
        """Return what the helper has credentials of.

        Raises:
            ProgramError: the helper is not installed, fails, or answers what is no answer.
        """
        return tuple(self._call(lambda store: store.list()) or ())

    def _call(self, ask: Callable[[Any], Any], secret: str = "") -> Any:
        """Run the helper; None where it says that it has no such credentials."""
        if shutil.which(self.program) is None:
            raise self._failed("not installed, or not on PATH")
        from docker.credentials import CredentialsNotFound, Store, StoreError

        try:
            return ask(Store(self.name))
        except CredentialsNotFound:
            return None
        except StoreError as error:
            raise self._failed(_said(error, secret)) from None
        except (ValueError, KeyError, TypeError, AttributeError):
            # What it wrote may hold the secret: it is not shown, nor chained to the error.
            raise self._failed("its answer is not the JSON of a credential helper") from None

    def _failed(self, problem: str) -> ProgramError:
        hint = f"{show(self.named_by)} names it: install or mend it, or name another file by --authfile"
        return ProgramError(f"{self.program}: {problem}", hint=hint)


def _said(error: Exception, secret: str) -> str:
    """Return the last line of what a helper that failed wrote, without the secret that it was given."""
    cause = error.__cause__
    if not isinstance(cause, subprocess.CalledProcessError):
        return str(error)
    lines = (cause.output or b"").decode(errors="replace").strip().splitlines() or ["no message"]
    text = lines[-1].replace(secret, "***") if secret else lines[-1]
    return f"failed with exit code {cause.returncode}: {show(text[:_LONGEST])}"
