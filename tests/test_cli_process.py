"""`clv` as a program among others: pipes, terminals, Ctrl-C, and how soon it answers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import clvforecast as clv

CLV = [sys.executable, "-c", "from clvforecast.cli import main; main()"]
MAIN_TAKES_SECONDS = 60


def run(*arguments: object, **how: object) -> subprocess.CompletedProcess[str]:
    command = [*CLV, *map(str, arguments)]
    return subprocess.run(
        command, **{"capture_output": True, "text": True, "timeout": MAIN_TAKES_SECONDS, **how}
    )


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys, json\n"
        "from clvforecast.cli import main\n"
        "sys.argv = ['clv', '--help']\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"ibis", "duckdb", "pandas", "numpy", "scipy", "matplotlib", "lifetimes"}


def test_the_console_command_is_installed() -> None:
    program = Path(sys.executable).with_name("clv")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"clv {clv.__version__}\n")


def test_a_pipe_gets_clean_data() -> None:
    done = run("summary", clv.datasets.worked_example_path())
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[0] == "customer_id,frequency,recency,T,monetary_value"
    assert len(done.stdout.splitlines()) == 6


def test_text_in_a_pipe_is_utf_8_in_every_locale(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("customer_id,date,amount\nŽofie,2024-01-01,1\n", encoding="utf-8")
    done = run("summary", path, text=False, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0
    assert "Žofie," in done.stdout.decode("utf-8")


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [*CLV, "summary", str(clv.datasets.cdnow_path())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith(b"customer_id,")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(MAIN_TAKES_SECONDS) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = run(
            *("summary", clv.datasets.worked_example_path()),
            capture_output=False,
            stdout=full,
            stderr=subprocess.PIPE,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line


def test_an_error_is_one_line_on_stderr() -> None:
    done = run("forecast", "nowhere.csv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "clv: error: There is no file 'nowhere.csv'.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT between processes")
@pytest.mark.parametrize("delay", [0.4, 1.5])
def test_ctrl_c_exits_with_130_and_leaves_nothing(delay: float, tmp_path: Path) -> None:
    target = tmp_path / "both.csv"
    with subprocess.Popen(
        [*CLV, "compare", str(clv.datasets.cdnow_path()), "-o", str(target)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=MAIN_TAKES_SECONDS)
    assert process.returncode == 130
    assert (out, err) == ("", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminal")
def test_a_terminal_gets_a_table_and_progress() -> None:
    import pty

    master, slave = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    with subprocess.Popen(
        [*CLV, "historical", str(clv.datasets.worked_example_path()), "--lifespan", "104W"],
        stdout=slave,
        stderr=slave,
        env=environment,
    ) as process:
        os.close(slave)
        seen = b""
        while chunk := _read(master):
            seen += chunk
        assert process.wait(MAIN_TAKES_SECONDS) == 0
    os.close(master)
    text = seen.decode("utf-8")
    assert "Reading the orders" in text
    assert "─────" in text
    assert "218.4" in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end is closed
        return b""
