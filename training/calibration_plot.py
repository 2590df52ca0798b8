"""Answers against the truth as a small SVG: points on the diagonal mean what they say."""

from shared.contracts.model_card import ModelCard

_SIDE = 240
_LEFT, _TOP = 54, 14


def plot(card: ModelCard) -> str:
    """The card's calibration bins as an SVG of about 3 KB.

    Probabilities run from 0 to 1; amounts from 0 to the largest; a distance is drawn against the share of
    anomalous rows, which has no diagonal.
    """
    amount = card.kind == "remaining-life"
    bins = card.calibration
    across = 1.0 if card.kind in ("failure", "quality") else _ceiling([one.answered for one in bins])
    up = _ceiling([*(one.observed for one in bins), across]) if amount else 1.0
    across = up if amount else across
    unit = f" [{card.answer_unit}]" if card.answer_unit else ""
    answered = {"remaining-life": "predicted", "anomaly": "distance"}.get(card.kind, "predicted probability")
    observed = {"remaining-life": "true", "anomaly": "share of anomalous rows"}.get(
        card.kind, "observed share"
    )
    right, bottom = _LEFT + _SIDE, _TOP + _SIDE
    most = max((one.row_count for one in bins), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {right + 20} {bottom + 44}" '
        f'font-family="sans-serif" font-size="11" role="img">',
        f"<title>{card.name} {card.version}: {observed} against {answered}</title>",
        f'<rect width="{right + 20}" height="{bottom + 44}" fill="#fff"/>',
        f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="#444"/>',
    ]
    if card.kind != "anomaly":
        parts.append(f'<path d="M{_LEFT} {bottom}L{right} {_TOP}" stroke="#bbb" stroke-dasharray="4 3"/>')
    for fraction in (0.0, 0.5, 1.0):
        x, y = _LEFT + fraction * _SIDE, bottom - fraction * _SIDE
        parts.append(f'<text x="{x:g}" y="{bottom + 16}" text-anchor="middle">{fraction * across:g}</text>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:g}" text-anchor="end">{fraction * up:g}</text>')
    places = [
        (_LEFT + min(1.0, one.answered / across) * _SIDE, bottom - min(1.0, one.observed / up) * _SIDE)
        for one in bins
    ]
    line = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    parts.append(f'<path d="M{line}" fill="none" stroke="#1f6f8b"/>')
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 4 * (one.row_count / most) ** 0.5:.1f}" fill="#1f6f8b">'
        f"<title>{one.row_count:,} rows: {one.answered:g} answered, {one.observed:g} true</title></circle>"
        for (x, y), one in zip(places, bins, strict=True)
    ]
    middle = _LEFT + _SIDE / 2
    parts += [
        f'<text x="{middle:g}" y="{bottom + 34}" text-anchor="middle">{answered}{unit}</text>',
        f'<text transform="translate(14 {_TOP + _SIDE / 2:g}) rotate(-90)" text-anchor="middle">'
        f"{observed}{unit if amount else ''}</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _ceiling(values: list[float]) -> float:
    """A round number not below any of them."""
    highest = max(values, default=1.0)
    step = 10.0 ** (len(str(int(highest))) - 1)
    return max(1.0, -(-highest // step) * step)
