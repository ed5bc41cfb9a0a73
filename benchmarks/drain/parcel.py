"""The mail of the drain benchmark: 2 kB as text and HTML, from a template that Django and Jinja read alike.

Knows no library, so that the peers' scripts, which have an environment of their own, can import it.
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
    """Return the address of mail `number`."""
    return f"customer{number}@example.org"


def values(number: int) -> dict[str, str]:
    """Return what the template asks for, for mail `number`."""
    return {"name": f"Customer {number}", "order": f"{4711 + number}", "link": f"https://example.com/parcels/{number}"}
