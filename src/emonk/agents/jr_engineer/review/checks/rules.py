"""Which of ruff's rules a review reports, and how grave each is: bugs and security with few false alarms, not style.

Left out on purpose: what is a matter of taste (line length, naming), and what is wrong in most places where it matches
(S603, S607: any subprocess; S101: asserts; S310: any URL; B008: calls in defaults, which web frameworks rely on).
"""

import re

from emonk.agents.jr_engineer.review.findings import Severity
from emonk.agents.jr_engineer.review.source import is_test_module

_BY_SEVERITY: dict[Severity, str] = {
    "high": """
        F501 F502 F503 F504 F505 F506 F507 F508 F509 F521 F522 F523 F524 F525 F602 F621 F622 F631 F632 F634 F701 F702
        F704 F706 F707 F821 F823 F901 PLE0100 PLE0101 PLE0115 PLE0116 PLE0117 PLE0118 PLE0241 PLE0302 PLE0303
        PLE0305 PLE0307 PLE0308 PLE0309 PLE0604 PLE0643 PLE0704 PLE1132 PLE1142 PLE1205 PLE1206 PLE1300 PLE1307 PLE1310
        PLE1507 PLE1519 PLE1520 PLE1700 PLE2502 PLE2510 PLE2512 PLE2513 PLE2514 PLE2515 PLE4703
        B002 B012 B016 B020 B029 B030 RUF016
        S102 S201 S306 S307 S501 S506 S507 S602 S605 S608 S609 S612 S701 S702
        YTT101 YTT102 YTT201 YTT202 YTT204 YTT301 YTT302 YTT303
    """,
    "medium": """
        F601 F811 F822 B003 B004 B005 B006 B014 B015 B018 B021 B022 B023 B025 B031 B032 B034 B035 B039
        PLE0237 PLE1141 PLW0127 PLW0129 PLW0133 PLW0177 PLW0406 PLW0711 PLW1501 PLW1507 PLW1508 PLW2101 PLR0124
        RUF006 RUF008 RUF017 RUF018 RUF024 RUF026 RUF032 RUF033 RUF034 RUF040 PIE796
        ASYNC100 ASYNC105 ASYNC210 ASYNC220 ASYNC221 ASYNC222 ASYNC251 INT001 INT002 INT003 T100
        S103 S104 S105 S106 S107 S113 S202 S301 S302 S311 S312 S321 S323 S324 S502 S503 S504 S505 S508 S509
        S610 S611
    """,
    "low": """
        F401 F402 F404 F407 F633 F841 F842 B011 B017 B033 E722 PIE794 ASYNC116 ASYNC230 LOG009 PLW1509
        S110 S112 S313 S314 S315 S316 S317 S318 S319
    """,
}
SEVERITY: dict[str, Severity] = {code: severity for severity, codes in _BY_SEVERITY.items() for code in codes.split()}
SELECT = ",".join(sorted(SEVERITY))

PASSWORDS = {"S105", "S106", "S107"}
"""What is wrong with a line is a value in it that must not be shown."""
_SECURITY = re.compile(r"S\d+")
_NORMAL_IN_TESTS = {"B015", "B018", "B023", "F841", "PLR0124", "RUF006", "E722", "ASYNC230", "ASYNC251", "T100"} - {
    "T100"
}
_SECRET_USE = re.compile(r"token|secret|passw|nonce|salt|otp|session|crypt|(^|_)key", re.IGNORECASE)
_INJECTED = {"_", "__", "reveal_type", "get_ipython", "display", "ngettext", "unicode"}
_QUOTED = re.compile(r"`([^`]+)`")
_ATTRIBUTE = re.compile(r"""[\w.()\[\]"']+\.[^\W\d]\w*\s*(#.*)?""")
_LITERAL = re.compile(r"""["']([^"']*)["']""")


def severity_of(code: str, message: str, line: str) -> Severity:
    """How grave a finding is; ruff says itself where a shell call has only a literal."""
    if code == "PLE0704" and line[:1].isspace():  # a function may be called while an exception is handled
        return "low"
    if code in {"S602", "S605"} and "seems safe" in message:
        return "low"
    return SEVERITY[code]


def without_literals(text: str) -> str:
    """Source lines with `***` for what stands between quotes."""
    return _LITERAL.sub('"***"', text)


def names_in(message: str) -> list[str]:
    """What a message quotes, the last part of dotted names."""
    return [name.rsplit(".", 1)[-1].strip() for name in _QUOTED.findall(message)]


def is_noise(code: str, message: str, line: str, *, path: str, test: bool) -> bool:
    """Whether the rule is known to be wrong in such a place."""
    if test and (_SECURITY.fullmatch(code) or code in _NORMAL_IN_TESTS):
        return True
    match code:
        case "B018":
            return _ATTRIBUTE.fullmatch(line.strip()) is not None  # a property may do something
        case "F401":
            return path.endswith("__init__.py") or "find_spec" in message
        case "F811":
            return test and not any(name.startswith("test") for name in names_in(message))
        case "F821":
            newer = "Consider specifying" in message  # a builtin of a later Python, mostly behind a version check
            given = test and not is_test_module(path)  # data that a test runs with names of its own
            return newer or given or path.endswith(".pyi") or bool(_INJECTED & set(names_in(message)))
        case "S105" | "S106" | "S107":
            return not any(_looks_secret(value) for value in _LITERAL.findall(line))
        case "S311":
            return _SECRET_USE.search(line) is None
        case _:
            return False


def _looks_secret(value: str) -> bool:
    """A password has letters and digits or signs, and no blank; names, URLs and templates are none."""
    if len(value) < 6 or re.search(r"[\s{}<>/%]", value):
        return False
    return bool(re.search(r"[A-Za-z]", value)) and bool(re.search(r"[0-9!$^&*?]", value))
