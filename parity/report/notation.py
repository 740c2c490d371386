"""How numbers are written, the same in every rendering."""

from __future__ import annotations

import math

Figure = float | int | str | None

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"


def show_figure(value: Figure) -> str:
    """Return a number with three significant digits, a count in full.

    >>> [show_figure(value) for value in (3.1e-16, 0.25, 12.0, 0, 1240, None, "nan")]
    ['3.1e-16', '0.25', '12', '0', '1,240', '–', 'NaN']
    """
    if value is None:
        return NOTHING
    if isinstance(value, str) or not math.isfinite(value):
        return str(value).replace("nan", "NaN")
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return f"{int(value):,}"
    if 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}" if abs(value) < 1e3 else f"{value:,.0f}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def show_score(value: Figure) -> str:
    """Return a score between 0 and 1 with four decimals, or in powers of ten where those are all zero.

    >>> show_score(0.91666), show_score(None), show_score(2e-7)
    ('0.9167', '–', '2e-07')
    """
    if value is None or isinstance(value, str) or 0 < abs(value) < 5e-5:
        return show_figure(value)
    return f"{value:.4f}"


def show_loss(value: Figure) -> str:
    """Return a loss with ten significant digits: two that part are seen to.

    >>> show_loss(1.25), show_loss(0.1234567891234), show_loss(2e-9), show_loss("nan")
    ('1.25', '0.1234567891', '2e-09', 'NaN')
    """
    number = number_of(value)
    return show_figure(value) if number is None or not math.isfinite(number) else f"{number:.10g}"


def number_of(value: Figure) -> float | None:
    """Return what can be calculated with: not-a-number stays, no number is None.

    >>> number_of("inf"), number_of(None), number_of(3)
    (inf, None, 3.0)
    """
    return None if value is None else float(value)


def headroom(observed: Figure, limit: Figure) -> float | None:
    """Return how many times the observed value fits into the limit; infinite where nothing was observed.

    >>> headroom(2e-16, 1e-10), headroom(0, 0), headroom(3, 0), headroom(None, 1.0)
    (500000.0, inf, 0.0, None)
    """
    a, b = number_of(observed), number_of(limit)
    if a is None or b is None or math.isnan(a) or math.isnan(b):
        return None
    if a == 0.0:
        return math.inf
    return b / a if math.isfinite(a) else 0.0


def show_headroom(value: float | None) -> str:
    """Return headroom with two significant digits.

    >>> [show_headroom(value) for value in (2.74, 323.0, 322580.6, 0.04, 0.0, math.inf, None)]
    ['2.7x', '320x', '3.2e5x', '0.04x', '0x', 'inf', '–']
    """
    if value is None:
        return NOTHING
    if math.isinf(value):
        return "inf"
    if value >= 1e4 or 0 < value < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}x"
    return f"{float(f'{value:.2g}'):g}x"


def difference(reference: Figure, candidate: Figure) -> float | None:
    """Return candidate minus reference, None where one of them is missing.

    >>> difference(0.5, 0.75), difference(None, 1.0)
    (0.25, None)
    """
    a, b = number_of(reference), number_of(candidate)
    return None if a is None or b is None else b - a


def show_difference(reference: Figure, candidate: Figure) -> str:
    """Return candidate minus reference with its sign, four decimals or, where those are all zero, in powers of ten.

    >>> show_difference(0.5, 0.75), show_difference(0.5, 0.5), show_difference(0.5, None)
    ('+0.2500', '0', '–')
    """
    value = difference(reference, candidate)
    if value is None:
        return NOTHING
    if value == 0.0 or not math.isfinite(value):
        return "0" if value == 0.0 else show_figure(str(value))
    text = f"{value:+.4f}" if abs(value) >= 5e-5 else f"{value:+.1e}"
    return text.replace("-", MINUS, 1) if text.startswith("-") else text


def show_seconds(value: Figure) -> str:
    """Return a duration.

    >>> show_seconds(142.1), show_seconds(7.25)
    ('2 min 22 s', '7.2 s')
    """
    seconds = number_of(value)
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
