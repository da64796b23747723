"""`emonk sim` as a user runs it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emonk.errors import Unavailable
from emonk.testing.simulator.processes import spread
from tests.cli.running import EMONK, PATIENCE, START, Terminal, emonk, refused, write_agent
from tests.conftest import PROJECT

PLANTED = """
import sys, pytest
from tests.testing.simulated import PLANTED
with pytest.MonkeyPatch.context() as patch:
    PLANTED[{invariant!r}](patch)
    from emonk.cli.app import run
    sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    return write_agent(tmp_path)


def with_bug(invariant: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`emonk` with a bug planted in its runtime."""
    command = [sys.executable, "-c", PLANTED.format(invariant=invariant), *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_what_holds_is_code_0_and_a_line(agent: Path) -> None:
    ended = emonk("sim", "--agent", agent, "--seeds", 5)
    assert (ended.returncode, ended.stderr) == (0, "")
    first, second, third = ended.stdout.splitlines()
    assert first.startswith("5 seeds, ")
    assert first.endswith(": every invariant held")
    assert second.startswith("replies: ")
    assert third.startswith("tool runs: ")


def test_a_seed_alone_shows_its_schedule_and_what_happened_the_same_each_time(agent: Path) -> None:
    ended = emonk("sim", "--agent", agent.parent, "--seed", 3)
    assert ended.returncode == 0
    for part in ("the schedule\n  seed 3: ", "\nwhat happened\n", " asks offline #1, ", "\n1 seed, "):
        assert part in ended.stdout
    assert emonk("sim", "--agent", agent, "--seed", 3, PYTHONHASHSEED="7").stdout == ended.stdout


def test_many_seeds_in_several_processes_come_to_the_same_as_in_one(agent: Path) -> None:
    many = json.loads(emonk("sim", "--agent", agent, "--seeds", 100, "--json").stdout)
    parts = [
        json.loads(emonk("sim", "--agent", agent, "--seeds", 25, "--seed", first, "--json").stdout)
        for first in (0, 25, 50, 75)
    ]
    for number in ("seeds", "messages", "requests"):
        assert many[number] == sum(part[number] for part in parts)
    assert many["replies"]["done"] == sum(part["replies"]["done"] for part in parts)
    assert many["broken"] == []


def test_what_is_broken_is_code_1_and_its_seed_breaks_again(agent: Path) -> None:
    broken = with_bug("nothing is left over", "sim", "--agent", agent, "--seeds", 4, "--seed", 2)
    assert broken.returncode == 1
    lines = broken.stdout.splitlines()
    assert lines[0].endswith(" breaks an invariant: nothing is left over")
    seed = lines[0].split()[1]
    assert lines[-1] == f"all that happened: emonk sim --agent {agent} --seed {seed}"
    evidence = lines[1 : lines.index("the schedule")]
    again = with_bug("nothing is left over", "sim", "--agent", agent, "--seed", seed)
    assert again.returncode == 1
    assert "\n".join(["broken: nothing is left over", *evidence]) in again.stdout
    (told,) = json.loads(with_bug("nothing is left over", "sim", "--agent", agent, "--seed", seed, "--json").stdout)[
        "broken"
    ]
    assert (told["seed"], told["invariant"]) == (int(seed), "nothing is left over")
    assert [f"  {line}" for line in told["evidence"]] == evidence
    assert told["log"]


def test_what_cannot_be_simulated_is_code_2(agent: Path) -> None:
    assert "Missing option '--agent'" in refused("sim")
    assert "there is no agent 'nobody'" in refused("sim", "--agent", "nobody")
    assert "--seeds" in refused("sim", "--agent", agent, "--seeds", 0)
    assert "--seed" in refused("sim", "--agent", agent, "--seed", -1)
    agent.write_text(agent.read_text() + "  limits: {usd: 1}\n")
    agent.write_text(agent.read_text().replace("model: offline", "model: gemini:no-such-model"))
    assert "no price is known for gemini:no-such-model" in refused("sim", "--agent", agent)


def test_an_agent_without_tools_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text("agent:\n  name: mute\n  llm: {model: offline}\n")
    told = "the agent has no tools, so nothing of what they promise was tried"
    for seeds in (("--seeds", 2), ("--seed", 2)):
        assert emonk("sim", "--agent", file, *seeds).stdout.splitlines()[-1] == told
    assert json.loads(emonk("sim", "--agent", file, "--seed", 2, "--json").stdout)["tools"] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_where_nothing_can_be_written_it_ends_with_one_line(agent: Path, unbuffered: str) -> None:
    command = [*EMONK, "sim", "--agent", str(agent), "--seeds", "2"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            command,
            env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "error: cannot write to standard output: No space left on device\n"


def test_where_interrupts_are_ignored_it_goes_on_to_its_end(agent: Path) -> None:
    plain = [sys.executable, "-c", "from emonk.cli import main; main()"]
    command = ["bash", "-c", 'trap "" INT; exec "$@"', "-", *plain, "sim", "--agent", str(agent), "--seeds", "200"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while not children(process.pid):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("200 seeds, ")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_process_that_is_killed_is_told_in_one_line(agent: Path) -> None:
    async def main() -> None:
        def kill(_: object) -> None:
            for child in children(os.getpid()):
                os.kill(child, signal.SIGKILL)

        with pytest.raises(Unavailable, match="a process of the simulation ended with exit code -9"):
            await spread(agent, 0, 100, kill)

    asyncio.run(main())


def test_the_shipped_agents_hold() -> None:
    for name in ("jr-engineer", "marketing"):
        assert emonk("sim", "--agent", name, "--seeds", 6).returncode == 0


def test_a_key_is_not_needed_and_nothing_is_stored(agent: Path, tmp_path: Path) -> None:
    agent.write_text(agent.read_text().replace("model: offline", "model: gemini:gemini-2.0-flash"))
    ended = emonk("sim", "--agent", agent, "--seeds", 2, EMONK_DATA_DIR=str(tmp_path / "data"))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert not (tmp_path / "data").exists()


def test_on_a_terminal_it_shows_how_far_it_is_and_ctrl_c_ends_it_with_what_was_seen(agent: Path) -> None:
    with Terminal("sim", "--agent", agent, "--seeds", 100_000) as terminal:
        terminal.expect(" of 100000 seeds")
        terminal.type("\x03")
        terminal.expect(": every invariant held")
        assert terminal.end() == 130


def test_interrupted_in_one_process_it_tells_what_was_seen(agent: Path) -> None:
    """Few seeds run in the process itself, where an interrupt comes in the middle of a virtual loop."""
    code = f"import os; os.sched_getaffinity = lambda _: {{0}}; {START}"
    command = [sys.executable, "-c", code, "sim", "--agent", str(agent), "--seeds", "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        waiting_for_start(process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert ": every invariant held" in out
    assert "Traceback" not in err


def waiting_for_start(process: "subprocess.Popen[str]") -> None:
    """Until it has worked for more than a second of CPU, so that seeds are under way."""
    stat = Path(f"/proc/{process.pid}/stat")
    while int(stat.read_text().rpartition(")")[2].split()[11]) < 150:
        assert process.poll() is None
