"""How long it takes until a change that is seen in some windows is acted on: k of the last n windows must show it."""

import numpy as np


def expected_delay(seen: float, k: int, n: int) -> float | None:
    """Expected number of windows, the first changed one included, until k of the last n show the change.

    Windows are independent of each other and show it with probability `seen`; before the change none did. The last n - 1
    windows are the state of a Markov chain, whose expected time to the first alarm is a linear system of 2^(n-1) equations
    (n up to 12; for more, the last 12 count). None where the change is never seen.
    """
    if seen <= 0:
        return None
    n = min(n, 12)
    k = min(k, n)
    states = 2 ** (n - 1)
    matrix, ones = np.eye(states), np.ones(states)
    for state in range(states):
        shown = state.bit_count()
        for hit, probability in ((1, seen), (0, 1 - seen)):
            if hit and shown + 1 >= k:
                continue
            following = ((state << 1) | hit) & (states - 1)
            matrix[state, following] -= probability
    return float(np.linalg.solve(matrix, ones)[0])
