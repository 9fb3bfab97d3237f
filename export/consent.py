"""Licences that have to be accepted before files are fetched."""

from collections.abc import Callable
from dataclasses import dataclass

from lumen.errors import InvalidInputException


@dataclass(frozen=True)
class Terms:
    """Licence terms that a person is asked to accept.

    Attributes:
        what: such as ``XTTS v2``.
        licence: all that has to be known, with its addresses.
        brief: the same in a few words.
        variable: environment variable that says yes.
    """

    what: str
    licence: str
    brief: str
    variable: str

    def require(self, agreed: bool, ask: Callable[[str], bool] | None) -> None:
        """Pass where the licence is accepted.

        Args:
            agreed: it was accepted beforehand.
            ask: puts it to a person; None where nobody can be asked.

        Raises:
            InvalidInputException: it is not accepted.
        """
        if not agreed and not (ask is not None and ask(self.licence)):
            raise InvalidInputException(
                f"{self.what} is fetched only when its licence is accepted ({self.brief}); set "
                f"{self.variable}=1 to accept it."
            )
