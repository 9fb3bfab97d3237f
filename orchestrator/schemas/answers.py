"""Fields of every answer, and the body of every error."""

from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, Field

from lumen import errors

ERROR_NAMES: Final = (
    *errors.names(),
    "InternalServerException",
    "MethodNotAllowedException",
    "RangeNotSatisfiableException",
)
"""Names of all errors: those of the tree, and what the server adds."""


class Answer(BaseModel):
    """Fields that every response carries."""

    request_id: str = Field(
        description="the client's X-Request-ID, or a UUID; the log's lines of this request carry it too"
    )
    timestamp: str = Field(description="ISO 8601, UTC")


Owner = Annotated[
    str | None,
    BeforeValidator(lambda key: key or None),
    Field(description="id of the key that it belongs to; none where it is everyone's"),
]


class ErrorResponse(BaseModel):
    error: str = Field(examples=["InvalidInputException"], json_schema_extra={"enum": list(ERROR_NAMES)})
    message: str = Field(examples=["prompt: is blank; send some text"])
    request_id: str


class OpenAIErrorDetail(BaseModel):
    message: str = Field(examples=["prompt: is blank; send some text"])
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = Field(description="the field that it is about", examples=["prompt"])
    code: str = Field(description="name of the error", examples=["invalid_input"])


class OpenAIErrorResponse(BaseModel):
    """Error of a route under ``/v1``, as OpenAI's clients read it."""

    error: OpenAIErrorDetail
