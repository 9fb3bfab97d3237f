"""Request bodies: JSON or a form, checked against a model, and described for OpenAPI."""

import asyncio
import json
from codecs import BOM_UTF8
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, TypeVar, get_args

from fastapi import Request
from pydantic import BaseModel, ValidationError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from lumen.errors import InvalidInputException, UnsupportedMediaException
from orchestrator.core.exceptions import invalid
from orchestrator.messages import excerpt
from orchestrator.schemas.answers import ErrorResponse, OpenAIErrorResponse
from orchestrator.schemas.body import Body

M = TypeVar("M", bound=BaseModel)

REFERENCE: Final = "#/components/schemas/{model}"

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

IDENTITY: Final = "identity"
"""The Content-Encoding of what is not compressed."""

RETRY_AFTER: Final = {
    "Retry-After": {
        "description": "seconds after which it is worth trying again",
        "schema": {"type": "integer", "minimum": 1},
    }
}

MAX_FORM_FIELDS: Final = 40

MAX_FORM_TEXT: Final = 2**20
"""Bytes of all the text of a form, without its files."""

CUT_OFF: Final = "The form is cut off: its closing boundary did not come; send the whole form."

MAX_KEYS: Final = 64
"""Keys that an object in a body may have: more than any model has fields."""

MAX_MEMBERS: Final = 20_000
"""Keys of all objects of a body: those of a long conversation, with room for quoted ones in its texts."""


async def read_body(request: Request, model: type[M], max_text_length: int) -> Body[M]:
    """Read and check a request's body.

    A model with ``files`` may also come as a form: text fields as they are, other fields as JSON,
    uploads under the names in ``files``. A model that is ``form_only`` comes in no other way.

    Raises:
        UnsupportedMediaException: it is neither JSON nor, where that is taken, a form; or it is compressed.
        InvalidInputException: it is malformed, or a field is.
    """
    _check_encoding(request.headers.get("content-encoding", IDENTITY))
    kind, parameters = parse_options_header(request.headers.get("content-type", ""))
    context = {"max_text_length": max_text_length}
    kinds = body_kinds(model)
    try:
        if kind == JSON.encode() and JSON in kinds:
            return Body(await asyncio.to_thread(_from_json, model, await request.body(), context), {})
        if kind == FORM.encode() and FORM in kinds:
            _check_charset(parameters.get(b"charset", b"utf-8"))
            fields, files = await _read_form(request, model)
            return Body(await asyncio.to_thread(_from_form, model, fields, context), files)
    except ValidationError as error:
        raise invalid(error) from None
    expected = " or ".join(kinds)
    came = excerpt(kind.decode("latin-1"))
    raise UnsupportedMediaException(f"The body's Content-Type is {came!r}; expected {expected}.")


def is_json(request: Request) -> bool:
    """Whether the body is JSON, which is small."""
    return parse_options_header(request.headers.get("content-type", ""))[0] == JSON.encode()


def _check_encoding(encoding: str) -> None:
    """Refuse compressed bodies: how much they hold is seen when it is too late."""
    if encoding.strip().lower() != IDENTITY:
        raise UnsupportedMediaException(
            f"The body's Content-Encoding is {excerpt(encoding)!r}; send it as it is, without one."
        )


def _from_json(model: type[M], data: bytes, context: dict[str, Any]) -> M:
    data = data.removeprefix(BOM_UTF8)  # PowerShell's and some editors'
    members = data.count(b'":')
    if members > MAX_MEMBERS:  # the parser holds the interpreter's lock as long as it reads
        raise InvalidInputException(f"The body has {members} keys; at most {MAX_MEMBERS} are read.")
    with suppress(ValueError, RecursionError):  # what is no JSON is told by the check itself
        json.loads(data, object_pairs_hook=_refuse_many)
    return model.model_validate_json(data, context=context)


def _from_form(model: type[M], texts: dict[str, str], context: dict[str, Any]) -> M:
    fields = {name: _value(model, name, text) for name, text in texts.items()}
    return model.model_validate(fields, context=context)


def _refuse_many(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object of more keys than any has here: each unknown one would be an error to describe."""
    if len(pairs) > MAX_KEYS:
        raise InvalidInputException(f"An object of the body has {len(pairs)} keys; none has over {MAX_KEYS}.")


def _check_charset(charset: bytes) -> None:
    """Refuse other charsets than UTF-8: some take the square of a text's length in time to decode."""
    if charset.strip().lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise InvalidInputException(
            f"The form's charset is {excerpt(charset.decode('latin-1'))!r}; send UTF-8."
        )


def body_kinds(model: type[BaseModel]) -> tuple[str, ...]:
    """Content types that a body of ``model`` may have."""
    if getattr(model, "form_only", False):
        return (FORM,)
    return (JSON, FORM) if upload_limits(model) else (JSON,)


def upload_limits(model: type[BaseModel]) -> Mapping[str, int]:
    """Names of the uploads that a form of ``model`` may carry, and how many of each."""
    return getattr(model, "files", {})


async def _read_form(
    request: Request, model: type[BaseModel]
) -> tuple[dict[str, str], dict[str, list[bytes]]]:
    limits = upload_limits(model)
    form = await _parse_form(request, sum(limits.values()))
    try:
        _check_counts(form, limits)
        files = {name: await _read_uploads(form, name) for name in limits if name in form}
        return {name: _text(name, form[name]) for name in form if name not in files}, files
    finally:
        await form.close()


def _text(name: str, value: UploadFile | str) -> str:
    if isinstance(value, UploadFile):
        raise InvalidInputException(f"{excerpt(name)}: is a file; send text, or nothing")
    return value


async def _parse_form(request: Request, max_files: int) -> FormData:
    parser = _Utf8FormParser(
        request.headers, request.stream(), max_files=max_files, max_fields=MAX_FORM_FIELDS
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise InvalidInputException(f"The form cannot be read: {error.message}") from None


class _Utf8FormParser(MultiPartParser):
    """Refuses what Starlette lets pass: text that is no UTF-8, too much text, a form without its end."""

    _n_bytes = 0
    _ended = False

    def on_end(self) -> None:
        self._ended = True

    async def parse(self) -> FormData:
        form = await super().parse()
        if not self._ended:
            for file in self._files_to_close_on_error:
                file.close()
            raise InvalidInputException(CUT_OFF)
        return form

    def on_part_end(self) -> None:
        if self._current_part.file is None:
            self._check(bytes(self._current_part.data))
        super().on_part_end()

    def _check(self, text: bytes) -> None:
        self._n_bytes += len(text)
        if self._n_bytes > MAX_FORM_TEXT:
            raise MultiPartException(f"its text has over {MAX_FORM_TEXT} bytes; upload files as files.")
        try:
            text.decode()
        except UnicodeDecodeError:
            raise MultiPartException("its text is not UTF-8.") from None


def _check_counts(form: FormData, limits: Mapping[str, int]) -> None:
    for name in form:
        count, most = len(form.getlist(name)), limits.get(name, 1)
        if count > most:
            times = "once" if most == 1 else f"{most} times"
            raise InvalidInputException(f"{excerpt(name)}: came more than {times}; send it {times}")


async def _read_uploads(form: FormData, name: str) -> list[bytes]:
    return [await _read_upload(upload, name) for upload in form.getlist(name)]


async def _read_upload(upload: UploadFile | str, name: str) -> bytes:
    if not isinstance(upload, UploadFile):
        raise InvalidInputException(f"{name}: is text; upload a file")
    data = await upload.read()
    if not data:
        raise InvalidInputException(f"{name}: the file is empty")
    return data


def _value(model: type[BaseModel], name: str, text: str) -> Any:
    """A form's value as JSON would have given it; what cannot be read so is left to the check."""
    field = model.model_fields.get(name)
    if field is None or _is_text(field.annotation):
        return text
    try:
        json.loads(text, object_pairs_hook=_refuse_many)
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_text(annotation: Any) -> bool:
    """Whether a field takes text, maybe among other things and with limits."""
    return annotation is str or any(map(_is_text, get_args(annotation)))


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads ``model`` with `read_body`."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    content: dict[str, Any] = {JSON: {"schema": reference}, FORM: {"schema": _form_schema(model)}}
    kinds = body_kinds(model)
    return {"requestBody": {"required": True, "content": {kind: content[kind] for kind in kinds}}}


def _form_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a form: the fields of ``model`` and its uploads, which a form-only model must have."""
    form = model.model_json_schema(ref_template=REFERENCE)
    form.pop("$defs", None)
    for name, most in upload_limits(model).items():
        file = {"type": "string", "format": "binary"}
        several = {"type": "array", "items": file, "minItems": 1, "maxItems": most}
        form["properties"][name] = file if most == 1 else several
    if getattr(model, "form_only", False):
        form["required"] = [*form.get("required", []), *upload_limits(model)]
    return form


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer these errors."""
    return {status: {"model": ErrorResponse, **_headers(status)} for status in statuses}


def describe_openai_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route under ``/v1`` that may answer these errors."""
    return {status: {"model": OpenAIErrorResponse, **_headers(status)} for status in statuses}


def _headers(status: int) -> dict[str, Any]:
    """Headers of an error that its description names."""
    return {"headers": RETRY_AFTER} if status in (429, 503) else {}
