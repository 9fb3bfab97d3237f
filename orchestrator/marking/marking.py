"""Marks of an output: what it carries that tells people and programs that a machine made it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from lumen import __version__
from lumen.settings import Settings
from orchestrator.marking.label import Label
from orchestrator.marking.signing import COMPOSITE, MEDIA_TYPES, SOURCE_TYPES, TRAINED, ProvenanceSigner

ARTIST: Final = "LUMEN"

STATEMENT: Final = "AI-generated: made by a machine"
"""Words that the metadata begin with."""

XMP: Final = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmp:CreatorTool="LUMEN {__version__}" Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPES}{{}}"/>
</rdf:RDF></x:xmpmeta>"""
"""XMP of a picture, to be filled with its digital source type, as the IPTC Photo Metadata Standard has it."""


@dataclass(frozen=True)
class Mark:
    """Marks of one output.

    Attributes:
        name: its id. parts: that make it, by stage.
        source_type: of the IPTC's vocabulary: all of it, or what was added to a real picture.
        label: text that is drawn into the picture; empty for none.
        created: ISO 8601, UTC.
    """

    name: str
    parts: Mapping[str, str]
    source_type: str
    label: str
    created: str
    signer: ProvenanceSigner | None = None

    @property
    def tags(self) -> dict[str, str]:
        """Plain metadata, by FFmpeg's names."""
        parts = ", ".join(f"{stage} {part}" for stage, part in self.parts.items())
        return {
            "title": f"{STATEMENT} ({self.name})",
            "artist": ARTIST,
            "comment": f"{STATEMENT}; {self.source_type}; LUMEN {__version__}; {parts}; id {self.name}; "
            f"{self.created}",
            "date": self.created,
            "encoder": f"LUMEN {__version__}",
        }

    @property
    def jpeg(self) -> Mapping[str, bytes]:
        """Plain metadata of a JPEG, by Pillow's names: a comment, and the digital source type as XMP."""
        return {"comment": self.tags["comment"].encode(), "xmp": XMP.format(self.source_type).encode()}

    def seal(self, path: Path, final: Path) -> None:
        """Sign a finished file, where there is a signer and the kind of file can be signed.

        Raises:
            GenerationException: it fails; nothing leaves unsigned where it should be signed.
        """
        if self.signer is not None:
            self.signer.sign(path, final, final.name, self.source_type, self.parts)

    def told(self, suffix: str) -> dict[str, object]:
        """Tell the marks of a file of this suffix, for its response and its record."""
        return {
            "metadata": True,
            "signed": self.signer is not None and suffix in MEDIA_TYPES,
            "digital_source_type": self.source_type,
            "label": self.label or None,
        }

    def drawn(self, width: int, height: int) -> Label | None:
        """The label for frames of this size; None where there is none."""
        return Label(self.label, width, height) if self.label else None


class Marking:
    """Decides the marks of what is made.

    Attributes:
        label: text that is drawn into every video; empty for none.
    """

    def __init__(self, settings: Settings) -> None:
        self._cert, self._key = settings.sign_cert, settings.sign_key
        self.label = settings.visible_label or ""
        self._signer: ProvenanceSigner | None = None

    def start(self) -> None:
        """Read the certificate and its key, where they are set; the first mark does too.

        Raises:
            InvalidInputException: they cannot be used.
        """
        if self._signer is None and self._cert is not None and self._key is not None:
            self._signer = ProvenanceSigner(self._cert, self._key)

    @property
    def signs(self) -> bool:
        """Whether files are signed."""
        return self._cert is not None

    def mark(
        self,
        name: str,
        parts: Mapping[str, str],
        *,
        composite: bool = False,
        label: str | None = None,
        created: datetime | None = None,
    ) -> Mark:
        """Mark an output.

        Args:
            composite: a picture of a real person may be in it.
            created: when it was made; now where it is None.
            label: text in place of the settings'; empty for none where the settings have none.
        """
        self.start()
        mark = self.unsigned(name, parts, composite=composite, created=created)
        return replace(mark, label=label or mark.label, signer=self._signer)

    def unsigned(
        self,
        name: str,
        parts: Mapping[str, str],
        *,
        composite: bool = False,
        created: datetime | None = None,
    ) -> Mark:
        """Mark what is streamed, which cannot be signed; arguments as in `mark`."""
        date = (created or datetime.now(UTC)).isoformat(timespec="seconds")
        return Mark(name, dict(parts), COMPOSITE if composite else TRAINED, self.label, date)
