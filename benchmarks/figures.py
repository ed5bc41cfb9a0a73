"""Prints figures as JSON lines."""

import json


def report(bench: str, figure: str, value: float, unit: str, **more: object) -> None:
    """Print one figure, rounded to three significant digits below 100."""
    rounded = round(value, 3 if abs(value) < 10 else 1)
    print(json.dumps({"bench": bench, "figure": figure, "value": rounded, "unit": unit, **more}), flush=True)
