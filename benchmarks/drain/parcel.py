"""The message of the drain benchmark: 2 kB as text and HTML, from a template valid in Django and Jinja.

Imports only the standard library, because the peers' scripts run in their own environment.
"""

SENDER = "shop@example.com"
SUBJECT = "Your order {{ order }} is on its way"
LINES = [f"What the parcel holds, line {number:02}: one thing, well packed." for number in range(12)]
TEXT = "Hello {{ name }},\n\nyour order {{ order }} has left our house. Where it is now:\n{{ link }}\n\n" + "\n".join(
    LINES
)
HTML = (
    "<html><body><p>Hello {{ name }},</p><p>your order {{ order }} has left our house. "
    '<a href="{{ link }}">Where it is now</a></p>' + "\n".join(f"<p>{line}</p>" for line in LINES) + "</body></html>"
)


def recipient(number: int) -> str:
    """Return the recipient of message `number`."""
    return f"customer{number}@example.org"


def values(number: int) -> dict[str, str]:
    """Return the values of the template for message `number`."""
    return {"name": f"Customer {number}", "order": f"{4711 + number}", "link": f"https://example.com/parcels/{number}"}
