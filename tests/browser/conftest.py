"""A real Chromium to open reports in: the one that is installed, or Debian's."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = "chromium fonts-dejavu-core"
"""Of Debian: the browser, and letters of every language of a report."""


def installed() -> str | None:
    """Find a Chromium: the one that CLVFORECAST_CHROMIUM names, or one on the path."""
    named = os.environ.get("CLVFORECAST_CHROMIUM")
    return named or next(filter(None, map(shutil.which, PROGRAMS)), None)


def install() -> None:
    """Install Debian's, as root or by a sudo that asks for no password."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for command in ("apt-get update", f"apt-get install -y --no-install-recommends {PACKAGES}"):
        words = [*sudo, "env", "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive", *command.split()]
        try:
            done = subprocess.run(words, check=False, capture_output=True, text=True)
            said = "" if done.returncode == 0 else done.stderr.strip()[-500:] or "failed"
        except OSError as error:  # no apt-get, or no sudo
            said = str(error)
        if said:
            pytest.fail(
                "The report is tested in a real Chromium, and none is installed. Install one "
                "(Debian: apt-get install chromium), or name it in CLVFORECAST_CHROMIUM. "
                f"{command}: {said}",
                pytrace=False,
            )


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> str:
    # One process of a run installs it, and the others wait.
    with FileLock(tmp_path_factory.getbasetemp().parent / "chromium.lock"):
        if installed() is None:
            install()
    program = installed()
    assert program is not None
    return program


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One browser, without the sandbox, which does not work for root.

    Not for the session: as long as Playwright runs, no other test can run an event loop.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()
