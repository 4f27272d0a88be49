"""What a verifier follows again of the release ladder: which steps a version had climbed when it was promoted.

It reads the records of windows, tests and signatures that stand before the promotion, under the policy in the promotion.
"""

from statistics import NormalDist
from typing import Any

from mlops_assets.evidence.packet.verifier_history import History, authors_of
from mlops_assets.evidence.packet.verifier_ledger import Act, Row
from mlops_assets.evidence.packet.verifier_signatures import Wrong

SHARE_SLACK = 1e-9


def named(row: Row) -> str:
    """A record, for a message."""
    about = f" of version {row['subject']}" if row["subject"] else ""
    return f"record {row['seq']} ({row['kind']}{about})"


def check_ladder(
    before: History, signed: dict[int, Act], promotion: Row, policy: Row, registered: Row, now: Row
) -> None:
    """A version that follows a champion passed every step of the policy's ladder beside it."""
    if now["champion"] is None or registered["body"]["declaration"].get("event_time") is None:
        return
    release, version = policy.get("release") or {}, promotion["subject"]
    steps = ladder_steps(release)
    if not steps:
        return
    windows, tests = seen_beside(before, version), tests_beside(before, version, now["champion"])
    given = step_signatures(before, signed, version, registered, now["champion"])
    since = 0
    # A challenger that failed begins again after that window, where the policy lets it; each round drops a window.
    for _ in range(len(tests) + 1):
        failed = next((w for w in sorted(tests) if tests[w]["body"]["outcome"] == "failed"), None)
        if release.get("failed_test", "send_back") == "repeat":
            failed = next((w for w in sorted(tests, reverse=True) if tests[w]["body"]["outcome"] == "failed"), None)
        reason = "had failed beside the champion"
        if failed is None:
            failed = failed_step(steps, windows, tests, given, policy, since, promotion)
            reason = "had failed its A/B test"
        if failed is None:
            return
        if release.get("failed_test", "send_back") != "repeat":
            raise Wrong(f"{named(promotion)}: it {reason} in window {failed} (record {tests[failed]['seq']})")
        since = tests[failed]["seq"]
        windows = {w: seen for w, seen in windows.items() if w > failed}
        tests = {w: row for w, row in tests.items() if w > failed}
    raise Wrong(f"{named(promotion)}: it was on the release ladder")


def ladder_steps(release: Row) -> list[tuple[str, float, int, int]]:
    """Label, share, least windows and least rows of each step of a policy's ladder, in order."""
    takeover = release.get("takeover", "canary")
    steps = [("shadow", 0.0, release.get("shadow_windows", 1), release.get("shadow_rows", 0))]
    if takeover == "canary":
        shares = release.get("canary_shares") or [release.get("canary_share", 0.1)]
        least = release.get("canary_windows", 0), release.get("canary_rows", 0)
        steps += [(f"canary {share:.6g}", share, *least) for share in shares]
    if takeover == "ab":
        steps.append(("ab", release.get("ab_share", 0.5), release.get("ab_windows", 2), release.get("ab_rows", 0)))
    return [step for step in steps if step[2] or step[3]]


def seen_beside(before: History, version: str) -> dict[str, Row]:
    """By window with rows, what a version did beside a champion: largest share, rows, decided rows, and the first record."""
    found: dict[str, Row] = {}
    for row in before.beside.get(version, []):
        body = row["body"]
        share = float(body.get("canary_share") or 0.0)
        decided = body.get("challenger_rows")
        decided = round(share * body["rows"]) if decided is None else decided
        last = found.get(row["subject"], {"share": 0.0, "rows": 0, "decided": 0, "seq": row["seq"]})
        most = {
            name: max(last[name], value)
            for name, value in (("share", share), ("rows", body["rows"]), ("decided", decided))
        }
        found[row["subject"]] = {**last, **most}
    return dict(sorted(found.items()))


def tests_beside(before: History, version: str, champion: Any) -> dict[str, Row]:
    """Of each window the last test of a version, where it was made beside this champion."""
    last: dict[str, Row] = {}
    for row in before.of("ladder_tested", version):
        last[row["body"]["window"]] = row
    return {w: row for w, row in sorted(last.items()) if row["body"]["champion"] == champion}


def step_signatures(
    before: History, signed: dict[int, Act], version: str, registered: Row, champion: Any
) -> list[tuple[int, str, str]]:
    """Number, step and role of each signature, by somebody who did not build the version, that it passed beside a champion."""
    found = []
    for row in before.signed_of("ladder_step_signed", version):
        person, _, statement = signed[row["seq"]]
        about = (statement["version"], statement["champion"]) == (version, champion)
        if about and person.casefold() not in authors_of(registered["body"]):
            found.append((row["seq"], statement["step"], statement["role"]))
    return found


def failed_step(
    steps: list[tuple[str, float, int, int]],
    windows: dict[str, Row],
    tests: dict[str, Row],
    given: list[tuple[int, str, str]],
    policy: Row,
    since: int,
    promotion: Row,
) -> str | None:
    """The window with which an A/B test failed; None where every step was passed, and an error where one was not."""
    release = policy.get("release") or {}
    for label, share, least, rows in steps:
        step = (label, least, rows)
        mine = {w: seen for w, seen in windows.items() if seen["share"] >= share - SHARE_SLACK}
        if not full(step, mine):
            text = f"{len(mine)} of {least} windows and {count(label, mine)} of {rows} rows in the step {label}"
            raise Wrong(f"{named(promotion)}: it was on the release ladder, with {text}")
        if label == "ab":
            last, passed = ab_outcome([tests[w] for w in mine if w in tests], policy)
            if last is None:
                raise Wrong(f"{named(promotion)}: it was on the release ladder: its A/B test was not decided")
            if not passed:
                return last
        for name in release.get("must_pass") or ():
            made = [t for w in mine if w in tests for t in tests[w]["body"]["tests"]]
            if not any((t["name"], t["outcome"]) == (name, "passed") for t in made):
                raise Wrong(
                    f"{named(promotion)}: it was on the release ladder: {name} had not passed in the step {label}"
                )
        if release.get("advance") == "signed":
            roles = release.get("advance_roles") or ()
            signatures = [seq for seq, about, role in given if about == label and role in roles and seq > since]
            if not any(full(step, {w: s for w, s in mine.items() if s["seq"] < seq}) for seq in signatures):
                raise Wrong(f"{named(promotion)}: it was on the release ladder: nobody had signed for the step {label}")
    return None


def count(label: str, windows: dict[str, Row]) -> int:
    """Rows of a step: scored in shadow, decided by the version in the others."""
    return sum(seen["rows" if label == "shadow" else "decided"] for seen in windows.values())


def full(step: tuple[str, int, int], windows: dict[str, Row]) -> bool:
    """Whether a step has its least windows and rows."""
    label, least, rows = step
    return len(windows) >= least and count(label, windows) >= rows


def ab_outcome(tests: list[Row], policy: Row) -> tuple[str | None, bool]:
    """The last window that an A/B test rests on, and whether it passed; no window where it is not decided."""
    release = policy["release"]
    margin = ((policy.get("gates") or {}).get("performance") or {}).get("champion_margin", 0.01)
    windows, rows, weighted, squares = 0, 0, 0.0, 0.0
    for row in tests:
        check = next((t for t in row["body"]["tests"] if t["name"] == "ab"), {})
        if check.get("value") is None or check.get("error") is None or not check.get("rows"):
            continue
        windows, rows = windows + 1, rows + check["rows"]
        weighted += check["rows"] * check["value"]
        squares += (check["rows"] * check["error"]) ** 2
        if windows >= release["ab_windows"] and rows >= release["ab_rows"]:
            bound = NormalDist().inv_cdf(release["ab_confidence"]) * squares**0.5 / rows
            return row["body"]["window"], weighted / rows - bound > -margin
    return None, False
