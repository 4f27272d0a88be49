"""Numbers as sentences show them."""


def shown_p(p_value: float | None) -> str:
    """A p-value; none is 0, and what is beyond counting is said to be."""
    if p_value is None:
        return "p not known"
    return f"p {p_value:.1g}" if p_value >= 1e-99 else "p below 1e-99"
