"""The rules that Anthropic holds requests to, as far as its documentation and its own error messages tell them."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from emonk.models.anthropic.claude import Claude, claude
from emonk.models.anthropic.schema import FORMATS, PROPERTY_NAME
from emonk.models.fields import as_list, as_object, as_text
from emonk.testing.anthropic_turns import NAME, THOUGHTS, Refused, blocks_of, check_messages, turns_of

__all__ = ["Refused", "check"]

Json = dict[str, Any]

FIELDS = frozenset(
    {
        "cache_control",
        "container",
        "context_management",
        "inference_geo",
        "max_tokens",
        "mcp_servers",
        "messages",
        "metadata",
        "model",
        "output_config",
        "service_tier",
        "stop_sequences",
        "stream",
        "system",
        "temperature",
        "thinking",
        "tool_choice",
        "tools",
        "top_k",
        "top_p",
    }
)

MOST_BREAKPOINTS = 4
LEAST_BUDGET = 1024

_BINDING_CONTROLS = "thinking-binding-controls-2026-08-01"
_ACCEPTED = {
    "none": frozenset[str](),
    "budget": frozenset({"enabled", "disabled"}),
    "optional": frozenset({"adaptive", "enabled", "disabled"}),
    "default": frozenset({"adaptive", "disabled"}),
    "always": frozenset({"adaptive"}),
    "between_tools": frozenset({"adaptive", "between_tools"}),
}
_UNSUPPORTED = frozenset(
    {"exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maximum", "minLength", "minimum", "multipleOf"}
    | {"oneOf", "not", "patternProperties", "uniqueItems"}
)


def check(body: Json, *, betas: Collection[str] | None = None) -> None:
    """Hold a request of `/v1/messages` to the rules.

    Args:
        body: the request.
        betas: what its `anthropic-beta` header says; None where that is not known.

    Raises:
        Refused: it breaks one.
    """
    if unknown := body.keys() - FIELDS:
        raise Refused(f"{min(unknown)}: Extra inputs are not permitted")
    if not as_text(body.get("model")):
        raise Refused("model: Field required")
    model = claude(as_text(body.get("model")))
    _check_limit(body, model)
    check_messages(body.get("messages"), prefill=not model.family or model.version < (4, 6))
    for block in blocks_of(body.get("system")) if "system" in body else ():
        if block.get("type") != "text" or not as_text(block.get("text")):
            raise Refused("system: text content blocks must be non-empty")
    _check_tools(body, model)
    _check_thinking(body, model, betas)
    _check_temperature(body, model)
    _check_output(as_object(body.get("output_config")), model)
    _check_cache(body)


def _check_limit(body: Json, model: Claude) -> None:
    limit = body.get("max_tokens")
    if limit is None:
        raise Refused("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise Refused("max_tokens: Input should be a valid integer, greater than or equal to 0")
    if limit > model.most_output:
        raise Refused(
            f"max_tokens: {limit} > {model.most_output}, which is the maximum allowed number of output tokens for"
            f" {body['model']}"
        )


def _check_tools(body: Json, model: Claude) -> None:
    tools = [as_object(tool) for tool in as_list(body.get("tools"))]
    names = [as_text(tool.get("name")) for tool in tools]
    if len({*names}) < len(names):
        raise Refused("tools: Tool names must be unique.")
    for index, tool in enumerate(tools):
        if tool.get("type", "custom") == "custom":
            _check_tool(tool, f"tools.{index}.custom")
    if not tools and any(block.get("type") == "tool_use" for _, blocks in turns_of(body) for block in blocks):
        raise Refused("Requests which include `tool_use` or `tool_result` blocks must define tools")
    _check_choice(as_object(body.get("tool_choice")), names, model)


def _check_tool(tool: Json, where: str) -> None:
    if not NAME.fullmatch(as_text(tool.get("name"))):
        raise Refused(f"{where}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise Refused(f"{where}.input_schema: Field required")
    schema = as_object(schema)
    if schema.get("type") != "object":
        raise Refused(f"{where}.input_schema.type: Input should be 'object'")
    if not schema.keys().isdisjoint({"oneOf", "allOf", "anyOf"}):
        raise Refused(f"{where}.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level")
    for key in as_object(schema.get("properties")):
        if not PROPERTY_NAME.fullmatch(key):
            raise Refused(
                f"{where}.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{{1,64}}$'"
            )


def _check_choice(choice: Json, names: Sequence[str], model: Claude) -> None:
    if not choice:
        return
    if not names:
        raise Refused("tool_choice: tool_choice may only be specified while providing tools.")
    kind = choice.get("type")
    if kind not in {"auto", "any", "tool", "none"}:
        raise Refused("tool_choice: Input tag does not match any of the expected tags: 'any', 'auto', 'none', 'tool'")
    if kind == "tool" and choice.get("name") not in names:
        raise Refused(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
    if kind in {"any", "tool"} and not model.takes_forced_tools:
        raise Refused("tool_choice: forcing tool use is not supported for this model")


def _check_thinking(body: Json, model: Claude, betas: Collection[str] | None) -> None:
    config = as_object(body.get("thinking"))
    kind = as_text(config.get("type"))
    if not config:
        return
    if kind not in _ACCEPTED[model.thinking]:
        raise Refused(f'"thinking.type.{kind}" is not supported for this model.')
    if "block_binding" in config and betas is not None and _BINDING_CONTROLS not in betas:
        raise Refused(f"thinking.{kind}.block_binding: Extra inputs are not permitted")
    if kind == "enabled":
        _check_budget(config.get("budget_tokens"), body["max_tokens"])
        if as_object(body.get("tool_choice")).get("type") in {"any", "tool"}:
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
        _check_thought_first(turns_of(body))


def _check_budget(budget: Any, limit: int) -> None:
    if not isinstance(budget, int) or budget < LEAST_BUDGET:
        raise Refused(f"thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET}")
    if budget >= limit:
        raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_thought_first(turns: Sequence[tuple[str, list[Json]]]) -> None:
    """In the middle of calls, the first of them came after a thought."""
    steps: list[list[Json]] = []
    for role, blocks in reversed(turns):
        if role == "assistant":
            steps.append(blocks)
        elif not any(block.get("type") == "tool_result" for block in blocks):
            break
    if steps and steps[-1][0].get("type") not in THOUGHTS and turns[-1][1][0].get("type") == "tool_result":
        raise Refused(
            f"Expected `thinking` or `redacted_thinking`, but found `{steps[-1][0].get('type')}`. When `thinking` is"
            " enabled, a final `assistant` message must start with a thinking block."
        )


def _check_temperature(body: Json, model: Claude) -> None:
    temperature = body.get("temperature")
    if temperature is None:
        return
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 1:
        raise Refused("temperature: range: 0..1")
    if not model.takes_temperature:
        raise Refused("`temperature` is deprecated for this model.")
    if temperature != 1 and as_object(body.get("thinking")).get("type") in {"enabled", "adaptive"}:
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.")


def _check_output(config: Json, model: Claude) -> None:
    effort, wanted = config.get("effort"), as_object(config.get("format"))
    if effort is not None and not model.takes_effort:
        raise Refused("This model does not support the effort parameter.")
    if effort not in {None, "low", "medium", "high", "xhigh", "max"}:
        raise Refused("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    if wanted and not model.writes_json:
        raise Refused("This model does not support output format.")
    if wanted:
        _check_format(wanted.get("schema"), "output_config.format.schema")


def _check_format(schema: Any, where: str) -> None:
    found = as_object(schema)
    if refused := sorted(_UNSUPPORTED & found.keys()):
        raise Refused(f"{where}: For '{found.get('type')}' type, properties {', '.join(refused)} are not supported")
    if found.get("type") == "object" and found.get("additionalProperties") is not False:
        raise Refused(f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    if found.get("minItems", 0) not in {0, 1}:
        raise Refused(f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if found.get("format", "date") not in FORMATS:
        raise Refused(f"{where}: String format '{found['format']}' is not supported")
    inner = [*as_object(found.get("properties")).values(), *as_object(found.get("$defs")).values()]
    inner += [
        *as_list(found.get("anyOf")),
        *as_list(found.get("allOf")),
        *([found["items"]] if "items" in found else []),
    ]
    for one in inner:
        _check_format(one, where)


def _check_cache(body: Json) -> None:
    marked = list(_marked(body))
    if len(marked) > MOST_BREAKPOINTS:
        raise Refused(
            f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided. Found {len(marked)}."
        )
    for block in marked:
        if block.get("type") in THOUGHTS:
            raise Refused(f"cache_control cannot be set for `{block['type']}` blocks")
        if as_object(block["cache_control"]).get("type") != "ephemeral":
            raise Refused("cache_control.type: Input should be 'ephemeral'")


def _marked(body: Json) -> Iterator[Json]:
    blocks = [block for _, said in turns_of(body) for block in said]
    tools = [as_object(tool) for tool in as_list(body.get("tools"))]
    system = blocks_of(body.get("system")) if "system" in body else []
    yield from (one for one in (*tools, *system, *blocks, body) if one.get("cache_control") is not None)
