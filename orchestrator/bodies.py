"""Request bodies: JSON or a form, checked against a model, and described for OpenAPI."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from starlette.datastructures import FormData, UploadFile

from lumen.errors import InvalidInputException, UnsupportedMediaException
from orchestrator.core.exceptions import invalid
from orchestrator.core.utils import excerpt
from orchestrator.schemas import ErrorResponse, FullRequest, TextRequest, TtsRequest, VideoRequest

M = TypeVar("M", bound=BaseModel)

JSON: Final = "application/json"
FORM: Final = "multipart/form-data"

REQUESTS: Final = (TextRequest, TtsRequest, VideoRequest, FullRequest)

MAX_FORM_FIELDS: Final = 20


@dataclass(frozen=True)
class Body(Generic[M]):
    """A checked body: its fields, and the bytes of each uploaded file by name."""

    fields: M
    files: dict[str, bytes]


async def read_body(request: Request, model: type[M], max_text_length: int) -> Body[M]:
    """Read and check a request's body.

    A model with ``files`` may also come as a form: text fields as they are, other fields as JSON,
    uploads under the names in ``files``.

    Raises:
        UnsupportedMediaException: it is neither JSON nor, where that is taken, a form.
        InvalidInputException: it is malformed, or a field is.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    context = {"max_text_length": max_text_length}
    uploads = file_names(model)
    try:
        if kind == JSON:
            return Body(model.model_validate_json(await request.body(), context=context), {})
        if kind == FORM and uploads:
            fields, files = await _read_form(request, model, uploads)
            return Body(model.model_validate(fields, context=context), files)
    except ValidationError as error:
        raise invalid(error) from None
    expected = f"{JSON} or {FORM}" if uploads else JSON
    raise UnsupportedMediaException(f"The body's Content-Type is {kind[:80]!r}; expected {expected}.")


def file_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Names of the uploads that a form of ``model`` may carry."""
    return getattr(model, "files", ())


async def _read_form(
    request: Request, model: type[BaseModel], uploads: Iterable[str]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    form = await _parse_form(request, len(tuple(uploads)))
    try:
        _check_single(form)
        files = {name: await _read_upload(form, name) for name in uploads if name in form}
        return {name: _value(model, name, form[name]) for name in form if name not in files}, files
    finally:
        await form.close()


async def _parse_form(request: Request, max_files: int) -> FormData:
    try:
        return await request.form(max_files=max_files, max_fields=MAX_FORM_FIELDS)
    except UnicodeError:  # some codecs that a Content-Type may name decode nothing
        raise InvalidInputException("The form cannot be read in its charset; send UTF-8.") from None


def _check_single(form: FormData) -> None:
    for name in form:
        if len(form.getlist(name)) > 1:
            raise InvalidInputException(f"{excerpt(name)}: came more than once; send it once")


async def _read_upload(form: FormData, name: str) -> bytes:
    upload = form[name]
    if not isinstance(upload, UploadFile):
        raise InvalidInputException(f"{name}: is text; upload a file")
    data = await upload.read()
    if not data:
        raise InvalidInputException(f"{name}: the file is empty")
    return data


def _value(model: type[BaseModel], name: str, value: Any) -> Any:
    """A form's value as JSON would have given it; what cannot be read so is left to the check."""
    field = model.model_fields.get(name)
    if not isinstance(value, str) or field is None or _is_text(field.annotation):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _is_text(annotation: Any) -> bool:
    return annotation is str or str in getattr(annotation, "__args__", ())


def describe_body(model: type[BaseModel]) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads ``model`` with `read_body`."""
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    content: dict[str, Any] = {JSON: {"schema": reference}}
    if uploads := file_names(model):
        files = {name: {"type": "string", "format": "binary"} for name in uploads}
        form = model.model_json_schema(ref_template="#/components/schemas/{model}")
        form.pop("$defs", None)
        content[FORM] = {"schema": {**form, "properties": {**form["properties"], **files}}}
    return {"requestBody": {"required": True, "content": content}}


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer these errors."""
    return {status: {"model": ErrorResponse} for status in statuses}


def openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description of ``app`` with the request bodies that it does not see."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _, bodies = models_json_schema(
            [(model, "validation") for model in REQUESTS], ref_template="#/components/schemas/{model}"
        )
        schema.setdefault("components", {}).setdefault("schemas", {}).update(bodies["$defs"])
        app.openapi_schema = schema
    return app.openapi_schema
