"""A model card as a page to read."""

from collections.abc import Iterable

from shared.contracts.model_card import ModelCard


def page(card: ModelCard) -> str:
    """The card as Markdown."""
    horizon = "" if card.horizon_hours is None else f" Horizon: {card.horizon_hours:g} hours."
    simulated = (
        "**The data are simulated: no figure here proves performance in the field.**"
        if card.data.simulated
        else "The data were recorded on real machines."
    )
    parts = [
        f"# {card.name} {card.version}",
        f"{card.predicts}{horizon}",
        f"**Use it for:** {card.intended_use}",
        "**Do not use it for:**\n\n" + _bullets(card.not_for),
        "## Limits\n\n" + _bullets(card.limits),
        f"## Data\n\n{card.data.title}. {simulated}\n\n"
        f"Origin: {card.data.origin}\n\nLicence: {card.data.licence}\n\nCitation: {card.data.citation}\n\n"
        + _table(
            ("File", "Bytes", "SHA-256"),
            ((one.name, f"{one.byte_count:,}", f"`{one.sha256}`") for one in card.data.files),
        ),
        f"## Split\n\n{card.split}",
        "## Measured\n\nIntervals are 95 % bootstrap intervals.\n\n"
        + _table(
            ("Figure", "Value", "Interval", "Meaning"),
            (
                (
                    one.name,
                    f"{one.value:g} {one.unit}".strip(),
                    "" if one.low is None else f"{one.low:g} to {one.high:g}",
                    one.meaning,
                )
                for one in card.metrics
            ),
        ),
        "## Calibration\n\n![Answers against the truth](calibration.svg)\n\n"
        "Of rows that the model had not seen; larger points stand for more rows.",
        *_interval(card),
        f"## Threshold\n\n{card.threshold:g}. {card.threshold_rule}",
        "## Inputs\n\n"
        + _table(
            ("Input", "Unit", "Meaning"),
            ((one.name, one.unit, one.meaning) for one in (*card.inputs, *card.attributes)),
        )
        + _plan(card)
        + ("\n\nMaintenance of: " + ", ".join(card.components) + "." if card.components else ""),
        "## Columns, in order\n\n"
        f"The model abstains when a column lies more than {card.range_margin_ratio:g} of the range beyond "
        "it, or is missing although it never was in training.\n\n"
        + _table(
            ("Column", "Unit", "p0.1", "Median", "p99.9", "Missing in training"),
            (
                (
                    f"`{one.name}`",
                    one.unit,
                    f"{one.low:g}",
                    f"{one.median:g}",
                    f"{one.high:g}",
                    f"{one.missing_share:.1%}",
                )
                for one in card.features
            ),
        ),
        "## Model file\n\n"
        f"SHA-256 `{card.sha256}`, opset {card.opset}, ai.onnx.ml {card.ml_opset}. ONNX Runtime against "
        f"the trained estimator on {card.parity.row_count:,} rows: difference p99.9 "
        f"{card.parity.p999_difference:g}, largest {card.parity.max_difference:g}, "
        f"{card.parity.flip_count} rows on the other side of the threshold.",
        f"## Reproduce\n\n```\n{card.reproduce}\n```\n\nSeed {card.seed}; "
        + ", ".join(f"{name} {version}" for name, version in sorted(card.libraries.items()))
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _interval(card: ModelCard) -> list[str]:
    if card.interval is None:
        return []
    lowest = "-inf"
    rows: list[tuple[str, ...]] = []
    for step in card.interval.steps:
        rows.append((f"{lowest} to {step.up_to:g}", f"-{step.below:g}", f"+{step.above:g}"))
        lowest = f"{step.up_to:g}"
    return [
        f"## Interval\n\n{card.interval.coverage_ratio:.0%} of true values. {card.interval.rule}\n\n"
        + _table((f"Answer [{card.answer_unit}]", "From", "To"), rows)
    ]


def _plan(card: ModelCard) -> str:
    """How the columns are smoothed, in words."""
    hours = [f"{tau / 3_600_000:g}" for tau in card.taus_ms]
    said = [f"Moving averages over {', '.join(hours)} h" if hours else ""]
    if card.windows_ms:
        said.append("windows of " + " and ".join(f"{one / 3_600_000:g}" for one in card.windows_ms) + " h")
    if card.regimes is not None:
        said.append(f"{len(card.regimes.centres)} regimes told apart by {', '.join(card.regimes.by)}")
    known = [one for one in said if one]
    return f"\n\n{'; '.join(known)}." if known else ""


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
