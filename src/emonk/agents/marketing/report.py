"""Says in words what a check or a draft came to."""

from emonk.agents.marketing.drafts import MARK, Draft
from emonk.agents.marketing.posts import NAMES, PostCheck


def check_report(check: PostCheck) -> str:
    """The verdict and the length in the first line, then one line for each problem and note."""
    verdict = "fits" if check.ok else "does not fit"
    lines = [f"The post {verdict} {NAMES[check.platform]}: length {check.length} of {check.limit}."]
    lines += [f"- Problem: {problem}." for problem in check.problems]
    lines += [f"- Note: {note}." for note in check.notes]
    return "\n".join(lines)


def draft_report(draft: Draft) -> str:
    """The mark that it is a template's, the post itself, and what was checked and changed."""
    changes = [f"- Note: {note}." for note in draft.notes]
    return "\n".join(
        [f"{MARK} Fill in what stands in [brackets].", "", draft.text, "", check_report(draft.check), *changes]
    )
