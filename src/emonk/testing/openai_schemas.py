"""What OpenAI holds names, schemas and images to, in either of its APIs."""

import base64
import binascii
import re
from typing import Any

from emonk.models.fields import as_list, as_object, as_text
from emonk.models.openai.media import IMAGES
from emonk.models.openai.schema import strict_fault

Json = dict[str, Any]

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL)


class Refused(Exception):
    """The request breaks a rule; the text is OpenAI's, or in its manner.

    Attributes:
        param: the field that breaks it.
        code: OpenAI's name of it, if it has one.
    """

    def __init__(self, text: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(text)
        self.param = param
        self.code = code


def check_tool(function: Json, where: str) -> None:
    """Hold the declaration of a function to the rules.

    Raises:
        Refused: it breaks one.
    """
    name = as_text(function.get("name"))
    if not NAME.fullmatch(name):
        raise Refused(
            f"Invalid '{where}.function.name': string does not match pattern. Expected a string that matches the"
            " pattern '^[a-zA-Z0-9_-]+$'.",
            param=f"{where}.function.name",
            code="invalid_value",
        )
    if function.get("parameters") is not None:
        described = {"name": name, "schema": function["parameters"], "strict": function.get("strict")}
        check_schema(described, f"function '{name}'", f"{where}.function.parameters", "invalid_function_parameters")


def check_schema(described: Json, what: str, param: str, code: str | None = None) -> None:
    """Hold a schema to the rules, in strict mode to those as well.

    Raises:
        Refused: it breaks one; the text names the keyword and where it stands.
    """
    if not NAME.fullmatch(as_text(described.get("name"))):
        raise Refused(f"Invalid '{param}.name': string does not match pattern.", param=param)
    schema = described.get("schema")
    found = as_object(schema)
    if found.get("type") != "object":
        kind = as_text(found.get("type")) or "None"
        raise Refused(
            f"Invalid schema for {what}: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'.",
            param=param,
            code=code,
        )
    fault = _fault(found, ()) or (strict_fault(found) if described.get("strict") else "")
    if fault:
        raise Refused(f"Invalid schema for {what}: {fault}.", param=param, code=code)


def _fault(schema: Json, place: tuple[str, ...]) -> str:
    """What no schema may hold, strict or not; empty when it holds none."""
    types = as_list(schema.get("type")) or [schema.get("type")]
    for kind in types:
        if kind is not None and kind not in _TYPES:
            return f"In context={place}, {kind!r} is not valid under any of the given schemas"
    if "array" in types and not isinstance(schema.get("items"), dict):
        return f"In context={place}, array schema missing items"
    inner = [(("properties", name), each) for name, each in as_object(schema.get("properties")).items()]
    inner += [(("items",), schema["items"])] if isinstance(schema.get("items"), dict) else []
    inner += [(("anyOf", str(index)), each) for index, each in enumerate(as_list(schema.get("anyOf")))]
    return next((fault for way, each in inner if (fault := _fault(as_object(each), (*place, *way)))), "")


def check_image(url: Any, where: str) -> None:
    """Hold an image to the rules: an address, or bytes of a type that is known.

    Raises:
        Refused: it is neither.
    """
    text = as_text(url)
    if text.startswith(("http://", "https://")):
        return
    match = _DATA_URL.fullmatch(text)
    if match is None:
        raise Refused("Invalid image data: expected a URL or base64-encoded data.", param=where)
    if match[1] not in IMAGES:
        raise Refused(
            f"You uploaded an unsupported image ({match[1]}). Please make sure your image has of one the following"
            " formats: ['png', 'jpeg', 'gif', 'webp'].",
            param=where,
            code="invalid_image_format",
        )
    try:
        data = base64.b64decode(match[2], validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data:
        raise Refused(
            "The image data you provided does not represent a valid image.", param=where, code="invalid_image"
        )
