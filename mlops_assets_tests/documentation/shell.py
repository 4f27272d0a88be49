"""A shell for the blocks of a page: it keeps folder and variables between blocks, as a reader's terminal does.

A plain `mlops` line is called in this process, which saves the start of a Python each time. So is every `dg launch` but the
first one: the same job of the same definitions, on the same instance. Everything else runs in bash, with the environment's own
`mlops`, `dg` and `python`.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from docs_tools.blocks import Block, logical_lines
from mlops_assets_tests.commands.conftest import call_in
from mlops_assets_tests.documentation.imported import importing_from

PLAIN = re.compile(r"mlops [^|&;<>`()]*")
LAUNCH = re.compile(r"dg launch --job (\w+)(?: --partition (\S+))?")
MINUTES = 5


def environment() -> dict[str, str]:
    """Of a newcomer: nothing of this project is set, and the programs of the tests' environment come first."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))}
    programs = Path(sys.executable).parent
    quiet = {"DAGSTER_DISABLE_TELEMETRY": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    return {**kept, **quiet, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}


@dataclass
class Shell:
    """Where the reader is, and what is set.

    Attributes:
        folder: the current one.
        variables: the environment.
        launched: whether `dg launch` itself has run.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=environment)
    launched: bool = False

    def run(self, block: Block) -> str:
        """Run the lines of a block; what they print.

        Raises:
            AssertionError: a line ended with another code than the block says.
        """
        expected = int(found[1]) if (found := re.search(r"exit (\d)", block.tag)) else 0
        lines = logical_lines(block.text)
        printed = ""
        for number, line in enumerate(lines):
            code, out, err = self._line(line)
            wanted = expected if number == len(lines) - 1 else 0
            assert code == wanted, (
                f"{block.place}: `{line}` exited with {code}, expected {wanted}\n{out}\n{err[-3000:]}"
            )
            printed += out + err
        return printed

    def write(self, block: Block) -> None:
        """Write the file that a block holds."""
        path = self.folder / block.tag.removeprefix("file ").strip()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _line(self, line: str) -> tuple[int, str, str]:
        if PLAIN.fullmatch(line):
            with self._here():
                words = [os.path.expandvars(word) for word in shlex.split(line, comments=True)[1:]]
                answer = call_in(Path(), *words)
            return answer.code, answer.out, answer.err
        if launch := LAUNCH.fullmatch(line):
            if self.launched:
                return self._launch(launch[1], launch[2])
            self.launched = True
        marker = "\x1e"
        script = f"set -a\n{line}\ncode=$?\nprintf '{marker}%s{marker}' \"$PWD\"\nenv -0\nexit $code\n"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder, env=self.variables, capture_output=True, text=True, timeout=60 * MINUTES, check=False,
        )  # fmt: skip
        out, _, rest = done.stdout.partition(marker)
        folder, _, variables = rest.partition(marker)
        if folder:
            self.folder = Path(folder)
            pairs = (pair.partition("=") for pair in variables.split("\0") if "=" in pair)
            self.variables = {name: value for name, _, value in pairs}
        return done.returncode, out, done.stderr

    def _launch(self, job: str, partition: str | None) -> tuple[int, str, str]:
        import dagster as dg

        with self._here(), importing_from(self.folder, self.folder.name):
            definitions = import_module(f"{self.folder.name}.definitions").defs()
            with dg.DagsterInstance.get() as instance:
                run = definitions.resolve_job_def(job).execute_in_process(
                    instance=instance, partition_key=partition, raise_on_error=False
                )
        return int(not run.success), "", "" if run.success else f"{job} failed"

    @contextmanager
    def _here(self) -> Iterator[None]:
        kept = dict(os.environ)
        os.environ.clear()
        os.environ.update(self.variables)
        try:
            with chdir(self.folder):
                yield
        finally:
            os.environ.clear()
            os.environ.update(kept)
