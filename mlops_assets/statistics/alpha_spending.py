"""How an error rate is shared out over tests that ask the same rows again.

Belongs here: the level of each of them. How many there were is in the ledger's state (`ledger/state`), and what is tested is
in `evaluation/comparison.py`.
"""


def level_of_attempt(attempt: int, total: float) -> float:
    """One-sided level of the test with number `attempt` on the same rows: `total / (attempt · (attempt + 1))`.

    The levels of all attempts, however many, add up to `total`: 1/2 + 1/6 + 1/12 + … = 1. By Bonferroni's inequality no
    more than `total` is the probability that any of them rejects a true hypothesis, whatever the tests have in common.
    This is alpha spending for a number of tests that nobody has to declare beforehand (Lan & DeMets 1983, Biometrika 70,
    659-663; as a rule for a stream of hypotheses Foster & Stine 2008, JRSS B 70, 429-444).

    Assumes that which version is tried next does not follow from the numbers of earlier attempts on these rows. Who
    tunes a version to them overfits them, and no level makes up for that (Dwork et al. 2015, Science 349, 636-638).

    Raises:
        ValueError: the first attempt is number 1, and a level lies in (0, 1).
    """
    if attempt < 1 or not 0 < total < 1:
        raise ValueError(f"found attempt {attempt} and a level of {total}, expected 1 or more and a level in (0, 1)")
    return total / (attempt * (attempt + 1))
