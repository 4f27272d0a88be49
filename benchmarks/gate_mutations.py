"""Whether the gates' tests notice a changed gate: each comparison, limit and connective of `mlops_assets/gates/` is
changed, one at a time, and the gates' tests are run on it. A mutant that no test kills is a decision nobody checks.

    python benchmarks/gate_mutations.py [--gate artifact …] [--every 1] [--list]

Changed are the modules in memory, in a process of its own for each mutant; no file is touched. All of them take hours; with
`--every 20` each twentieth is tried. Exits with 1 when a mutant survives.
"""

import argparse
import ast
import copy
import functools
import importlib
import inspect
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
# The tests of the decisions on plain evidence: those on real tables start threads, which a fork does not survive.
TESTS = tuple(
    f"mlops_assets_tests.gates.{path.stem}"
    for path in sorted((ROOT / "mlops_assets_tests" / "gates").glob("test_*.py"))
    if path.stem != "test_on_measurements"
)
SECONDS = 60
SLOW = 0.3
"""Seconds above which a test is left out: it would be run hundreds of times."""

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
EXTREMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
OUTCOMES = {"passed": "failed", "failed": "not_measurable", "not_measurable": "passed"}


@dataclass(frozen=True)
class Mutant:
    """One change."""

    gate: str
    line: int
    text: str
    change: str
    tree: ast.Module

    @property
    def name(self) -> str:
        return f"{self.gate}:{self.text}: {self.change}"


def mutants(gate: str) -> Iterator[Mutant]:
    """Every single change of a gate's module."""
    path = ROOT / "mlops_assets" / "gates" / f"{gate}.py"
    source = path.read_text()
    lines = source.splitlines()
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    for index, node in enumerate(nodes):
        for change, edit in _edits(node):
            other = copy.deepcopy(tree)
            edit(list(ast.walk(other))[index])
            yield Mutant(gate, node.lineno, lines[node.lineno - 1].strip(), change, ast.fix_missing_locations(other))  # type: ignore[attr-defined]


def unchanged(gate: str) -> Mutant:
    """The gate as it is, which the tests must let live."""
    path = ROOT / "mlops_assets" / "gates" / f"{gate}.py"
    return Mutant(gate, 0, "", "nothing", ast.parse(path.read_text()))


def _edits(node: ast.AST):
    """What can be changed about a node: a name of the change, and a function that makes it on the same node of a copy."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for other in COMPARISONS[type(operator)]:

                def compare(n, place=place, other=other):
                    n.ops[place] = other()

                yield f"{type(operator).__name__} to {other.__name__}", compare
    elif isinstance(node, ast.BoolOp):
        other = ast.And if isinstance(node.op, ast.Or) else ast.Or

        def connect(n, other=other):
            n.op = other()

        yield f"{type(node.op).__name__} to {other.__name__}", connect
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        plus = isinstance(node.op, ast.USub)

        def drop(n, plus=plus):
            n.op = ast.UAdd() if plus else ast.Not()
            if not plus:
                n.operand = ast.UnaryOp(ast.Not(), n.operand)

        yield f"{type(node.op).__name__} dropped", drop
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EXTREMES:
        extreme = EXTREMES[node.func.id]

        def swap(n, extreme=extreme):
            n.func.id = extreme

        yield f"{node.func.id} to {extreme}", swap
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str) and node.value in OUTCOMES:
            outcome = OUTCOMES[node.value]

            def decide(n, outcome=outcome):
                n.value = outcome

            yield f"{node.value} to {outcome}", decide
        elif type(node.value) in (int, float):

            def shift(n):
                n.value = n.value + 1

            yield f"{node.value} plus 1", shift


Call = Callable[[], object]


def calls() -> list[Call]:
    """The gates' tests as plain calls, those that are slow or ask pytest for something apart; all pass on what is there.

    Without pytest around them they take a hundredth of the time, so that hundreds of mutants can be tried.
    """
    sys.path.insert(0, str(ROOT))
    found = []
    for name in TESTS:
        module = importlib.import_module(name)
        for function in [f for n, f in vars(module).items() if n.startswith("test_")]:
            for call in _calls_of(function):
                begun = time.perf_counter()
                call()
                if time.perf_counter() - begun < SLOW:
                    found.append(call)
    return found


def _calls_of(function: Callable[..., object]) -> Iterator[Call]:
    marks = [m for m in getattr(function, "pytestmark", ()) if m.name == "parametrize"]
    names = [m.args[0] for m in marks]
    wanted = {p for n in names for p in ([part.strip() for part in n.split(",")] if isinstance(n, str) else n)}
    if wanted != set(inspect.signature(function).parameters):
        return
    for values in itertools.product(*(m.args[1] for m in marks)):
        arguments: dict[str, object] = {}
        for named, value in zip(names, values, strict=True):
            given = getattr(value, "values", value) if type(value).__name__ == "ParameterSet" else value
            arguments |= {named: given} if isinstance(named, str) else dict(zip(named, given, strict=True))
        yield functools.partial(function, **arguments)


def killed(mutant: Mutant, tests: list[Call]) -> bool:
    """Whether a test fails (or runs for ever) on the mutant; in a child, so that nothing of it stays."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            module = importlib.import_module(f"mlops_assets.gates.{mutant.gate}")
            exec(compile(mutant.tree, str(module.__file__), "exec"), module.__dict__)
            registry = importlib.import_module("mlops_assets.gates.registry")
            registry.GATES[mutant.gate] = replace(registry.GATES[mutant.gate], decide=module.decide)
            for call in tests:
                call()
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return status != 0


def gates() -> list[str]:
    """Modules that decide."""
    return sorted(p.stem for p in (ROOT / "mlops_assets" / "gates").glob("*.py") if "def decide" in p.read_text())


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gate", nargs="*", default=[g for g in gates() if g != "registry"])
    parser.add_argument("--every", type=int, default=1, help="of how many changes one is tried")
    parser.add_argument("--list", action="store_true", help="print what would be changed, and stop")
    options = parser.parse_args()
    tests = [] if options.list else calls()
    for gate in options.gate:
        if tests and killed(unchanged(gate), tests):
            raise SystemExit(f"{gate}: its tests fail on the gate as it is; nothing can be learned from a mutant")
    begun, survivors, counts = time.monotonic(), [], {}
    # Counted over all gates, so that a gate of few changes is not passed over.
    numbers = itertools.count()
    for gate in options.gate:
        found = [mutant for mutant in mutants(gate) if next(numbers) % options.every == 0]
        if options.list:
            print(*(f"{m.line:4} {m.name}" for m in found), sep="\n")
            continue
        alive = [m for m in found if not killed(m, tests)]
        counts[gate] = {"mutants": len(found), "killed": len(found) - len(alive)}
        survivors += alive
        print(f"{gate}: {counts[gate]}", file=sys.stderr, flush=True)
        for m in alive:
            print(f"   {m.line} {m.name}", file=sys.stderr, flush=True)
    if options.list:
        return
    total = sum(c["mutants"] for c in counts.values())
    result = {
        "mutants": total,
        "killed": total - len(survivors),
        "survivors": [f"gates/{m.gate}.py:{m.line}: {m.text}: {m.change}" for m in survivors],
        "tests": len(tests),
        "seconds": round(time.monotonic() - begun),
        "by_gate": counts,
    }
    print(json.dumps(result, indent=2))
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
