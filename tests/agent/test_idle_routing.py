"""What of the `routing` section does nothing is told at the start."""

import asyncio
from pathlib import Path

import pytest

from emonk.routing import Classifier
from emonk.routing.section import RoutingSection
from tests.agent.recovering import agent_with, models

ALONE = "routing.threshold does nothing without routing.classifier"
NO_WORKER = "without a worker (`llm.worker`) nothing is routed: "


@pytest.fixture
def classifier(tmp_path: Path) -> str:
    path = tmp_path / "model"
    Classifier.train([("prove it", True), ("name it", False)] * 20).save(path)
    return str(path)


def started(tmp_path: Path, section: RoutingSection, *roles: str) -> tuple[str, ...]:
    async def main() -> tuple[str, ...]:
        given = models(**{role: ["sunny"] for role in roles})
        async with agent_with(f"sqlite:///{tmp_path / 'a.db'}", given, routing=section) as agent:
            return tuple(one for one in agent.notices if "rout" in one)

    return asyncio.run(main())


def test_a_threshold_without_a_classifier_is_told(tmp_path: Path, classifier: str) -> None:
    assert started(tmp_path, RoutingSection(threshold=0.5), "lead", "worker") == (ALONE,)
    assert started(tmp_path, RoutingSection(classifier=classifier, threshold=0.5), "lead", "worker") == ()


def test_a_classifier_without_a_worker_is_told(tmp_path: Path, classifier: str) -> None:
    section = RoutingSection(classifier=classifier, threshold=0.5)
    both = f"{NO_WORKER}routing.classifier and routing.threshold do nothing"
    assert started(tmp_path, section, "lead") == (both,)
    assert started(tmp_path, RoutingSection(threshold=0.5), "lead") == (f"{NO_WORKER}routing.threshold does nothing",)
    assert started(tmp_path, RoutingSection(), "lead") == ()
