"""Numbers and shares as short labels."""


def number(value: float) -> str:
    """About four digits.

    >>> number(12345.6), number(0.00012346)
    ('12,346', '0.0001235')
    """
    if 1e3 <= abs(value) < 1e9 or (abs(value) < 1e3 and value == int(value)):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def share(count: int, total: int) -> str:
    """A percentage; only none and all are shown as 0 % and 100 %.

    >>> share(3, 100_000), share(99_999, 100_000), share(1, 8)
    ('<0.1%', '>99.9%', '12%')
    """
    percent = 100 * count / total if total else 0.0
    if 0 < percent < 0.1:
        return "<0.1%"
    if 99.9 < percent < 100:
        return ">99.9%"
    return f"{percent:.0f}%" if percent in (0, 100) or percent >= 10 else f"{percent:.1f}%"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "row"), counted(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
