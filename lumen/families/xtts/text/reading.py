"""Reading abilities of XTTS: numbers and a few signs; the rest is put into words for it."""

from typing import Final

from lumen.text.scripts import written_in
from lumen.text.spoken import Reading

READING: Final = Reading(can_speak=written_in)
"""Letters of scripts that a language is not written in are unknown to the tokenizer or make no words."""
