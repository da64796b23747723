"""How near the token estimate comes to what providers report: `python benchmarks/tokens.py [DIRECTORY]`.

The directory holds recorded exchanges, `FORMAT.jsonl` with a `request` and a `response` in each row; rows whose ids
differ only after `#` are calls of one conversation. A request is judged when the one before it in its conversation went
to the same model, was reported, and is its beginning: so a turn knows it. What was reported then, and the size of that
answer, are all that the estimate is given. The two halves are the conversations by a hash of their names.

Exits 1 when the median error exceeds 8 % or the 95th percentile 20 %, over the requests that hold all that the model is
shown: what is given by address, kept at the provider or found by its own tools cannot be counted here.
"""

import hashlib
import json
import re
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from emonk.messages import AssistantMessage
from emonk.models.fields import as_list
from emonk.models.protocol import ModelRequest
from emonk.models.tokens import family_of, tokens_of_request
from emonk.runtime.compression.size import ContextSize
from emonk.testing.recorded_requests import FORMATS, request_of, usage_of

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
MEDIAN, TAIL = 0.08, 0.20
Row = dict[str, Any]
_ELSEWHERE = re.compile(
    r'"(fileData|file_data|file_id|previous_response_id|conversation|mcp_servers|context_management)":'
    r'|"(image_url|document_url|video_url|url|file_uri|fileUri|file_url)": "(?!data:)|"web_search_options":'
    r'|"type": "(mcp|compaction|[a-z_]*search|openrouter|[a-z_0-9]+_20[0-9]{6}")'
    r"|googleSearch|google_search|fileSearch|codeExecution|urlContext|server_tool_use"
)


class Judged(NamedTuple):
    """A request whose size was estimated."""

    name: str
    family: str
    estimated: int
    reported: int
    contained: bool

    @property
    def error(self) -> float:
        return abs(self.estimated - self.reported) / self.reported

    @property
    def half(self) -> int:
        return hashlib.sha256(self.name.rpartition("#")[0].encode()).digest()[0] % 2


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DATA
    if not folder.is_dir():
        print(f"skipped: no recorded exchanges in {folder}")
        return 0
    after = [judged for name in FORMATS for judged in after_usage(folder, name)]
    cold = [judged for name in FORMATS for judged in without(folder, name)]
    report: dict[str, Any] = {"after_one_reported_usage": summary(after)}
    report["all_in_the_request"] = summary([one for one in after if one.contained])
    for half in (0, 1):
        report[f"half_{half + 1}_of_those"] = summary([one for one in after if one.contained and one.half == half])
    report["by_format"] = {name: summary([one for one in after if one.family == name]) for name in FORMATS}
    report["without_any"] = {
        name: summary([one for one in cold if one.family == name and one.contained]) for name in FORMATS
    }
    if "-v" in sys.argv:
        for one in sorted(after, key=lambda one: -one.error)[:30]:
            print(f"{one.error:6.1%} {one.estimated:7} {one.reported:7} {one.contained} {one.name}")
    print(json.dumps(report, indent=2))
    whole = report["all_in_the_request"]
    return int(whole["median"] > MEDIAN or whole["p95"] > TAIL)


def after_usage(folder: Path, wire_format: str) -> Iterator[Judged]:
    """Every request that goes on from one that was reported."""
    for calls in conversations(folder, wire_format):
        size: ContextSize | None = None
        for previous, row in zip([None, *calls], calls, strict=False):
            request, usage = request_of(wire_format, row["request"]), usage_of(wire_format, row["response"])
            if size is None or previous is None or not goes_on(previous, row):
                size = new_size(spec_of(wire_format, row), request)
            else:
                size.answered(answer_before(request, previous, wire_format))
                if usage is not None and usage.input_tokens:
                    yield Judged(row["id"], wire_format, size.of(request.messages), usage.input_tokens, contained(row))
            if usage is None or not usage.input_tokens:
                size = None
                continue
            size.reported(request.messages, usage)


def answer_before(request: ModelRequest, previous: Row, wire_format: str) -> AssistantMessage:
    """What the previous request was answered, as this one sends it back."""
    at = len(request_of(wire_format, previous["request"]).messages)
    message = request.messages[at] if at < len(request.messages) else None
    return message if isinstance(message, AssistantMessage) else AssistantMessage(())


def new_size(spec: str, request: ModelRequest) -> ContextSize:
    """The size of a conversation of which nothing is known."""
    family = family_of(spec)
    fixed = tokens_of_request(request.instructions, request.tools, family, request.output_schema)
    return ContextSize(spec, family, fixed)


def without(folder: Path, wire_format: str) -> Iterator[Judged]:
    """Every first request of a conversation, of which nothing is known; without those that providers fill up."""
    for calls in conversations(folder, wire_format):
        row = calls[0]
        usage = usage_of(wire_format, row["response"])
        if usage is None or not usage.input_tokens:
            continue
        request = request_of(wire_format, row["request"])
        yield Judged(
            row["id"],
            wire_format,
            new_size(spec_of(wire_format, row), request).of(request.messages),
            usage.input_tokens,
            contained(row),
        )


def contained(row: Row) -> bool:
    """The request holds all that the model is shown."""
    return not _ELSEWHERE.search(json.dumps(row["request"]))


def conversations(folder: Path, wire_format: str) -> list[list[Row]]:
    found: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    path = folder / f"{wire_format}.jsonl"
    for line in path.read_text().splitlines() if path.exists() else ():
        row = json.loads(line)
        name, _, number = row["id"].rpartition("#")
        found[name].append((int(number), row))
    return [[row for _, row in sorted(calls, key=lambda one: one[0])] for calls in found.values()]


def goes_on(earlier: Row, later: Row) -> bool:
    one, two = messages(earlier), messages(later)
    same = earlier["path"] == later["path"] and earlier["request"].get("model") == later["request"].get("model")
    return same and len(two) > len(one) and two[: len(one)] == one


def messages(row: Row) -> list[Any]:
    request = row["request"]
    return as_list(request.get("contents") or request.get("messages") or request.get("input"))


def spec_of(wire_format: str, row: Row) -> str:
    """As a configuration would name the model."""
    if wire_format == "gemini":
        provider = "vertex" if "/projects/" in row["path"] or "/publishers/" in row["path"] else "gemini"
        return f"{provider}:{row['path'].rpartition('/')[2].partition(':')[0]}"
    return f"{wire_format.partition('_')[0]}:{row['request'].get('model', '')}"


def summary(judged: list[Judged]) -> dict[str, Any]:
    errors = sorted(one.error for one in judged)
    if len(errors) < 2:
        return {"requests": len(errors)}
    tail = statistics.quantiles(errors, n=20, method="inclusive")[-1]
    return {"requests": len(errors), "median": round(statistics.median(errors), 4), "p95": round(tail, 4)}


if __name__ == "__main__":
    sys.exit(main())
