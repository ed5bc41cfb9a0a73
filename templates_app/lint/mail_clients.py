"""What mail programs drop or ignore: facts, each with its source. Data only; `inspecting_html` looks for them.

From the test results published by caniemail.com (its data is kept at github.com/hteumeuleu/caniemail), read in 2026. A
fact stands here if a widely used program drops the thing and the mail then looks broken, not merely plainer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

FEATURES = "https://www.caniemail.com/features"
CLIPPED = "https://shkspr.mobi/blog/2019/05/102kb-ought-to-be-enough-for-any-email/"
STRIPPED = "https://testmailscore.com/faq/why-email-clients-strip-html"

OUTLOOK = "Outlook (Windows)"
OUTLOOK_WEB = "Outlook.com"
GMAIL = "Gmail"
GMAIL_WEB = "Gmail (web)"
YAHOO = "Yahoo Mail"


@dataclass(frozen=True, slots=True)
class Limitation:
    """One thing that some mail programs drop.

    `kind` says where `name` is looked for: ``element``, ``attribute``, ``property`` (of CSS; with a `value`: only that
    value, as a regular expression), ``function`` (in a CSS value), ``rule`` (an at-rule), ``image`` (the end of a
    file name) or ``scheme`` (of an image's address).
    """

    kind: str
    name: str
    dropped_by: tuple[str, ...]
    sentence: _StrPromise
    source: str
    value: str = ""


LIMITATIONS = (
    # ---------------------------------------------------------------- elements
    Limitation("element", "script", (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO), _("Scripts never run in a mail."), STRIPPED),
    Limitation(
        "element", "iframe", (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO), _("Frames are removed; link to it."), STRIPPED
    ),
    Limitation("element", "embed", (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO), _("Embedded things are removed."), STRIPPED),
    Limitation(
        "element",
        "object",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Embedded objects are removed; link to them."),
        f"{FEATURES}/html-object/",
    ),
    Limitation(
        "element",
        "video",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Videos are removed; show a picture that links to the film."),
        f"{FEATURES}/html-video/",
    ),
    Limitation(
        "element",
        "audio",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Sound is removed; link to it."),
        f"{FEATURES}/html-audio/",
    ),
    Limitation(
        "element",
        "svg",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Drawings in the mail itself are removed; use a PNG image."),
        f"{FEATURES}/html-svg/",
    ),
    Limitation(
        "element",
        "picture",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Of a picture element only the img inside is shown."),
        f"{FEATURES}/html-picture/",
    ),
    Limitation(
        "element",
        "form",
        (OUTLOOK,),
        _("Forms do not work everywhere; link to a page with the form."),
        f"{FEATURES}/html-form/",
    ),
    Limitation(
        "element",
        "link",
        (GMAIL, OUTLOOK_WEB, YAHOO),
        _("Style sheets that are linked are not loaded; put the styles into the mail."),
        f"{FEATURES}/html-link/",
    ),
    # ---------------------------------------------------------------- CSS
    Limitation(
        "property",
        "display",
        (OUTLOOK,),
        _("Boxes laid out by flex stand below one another; use a table."),
        f"{FEATURES}/css-display-flex/",
        value=r"(inline-)?flex",
    ),
    Limitation(
        "property",
        "display",
        (GMAIL, OUTLOOK, YAHOO),
        _("Boxes laid out by grid stand below one another; use a table."),
        f"{FEATURES}/css-display-grid/",
        value=r"(inline-)?grid",
    ),
    Limitation(
        "property",
        "position",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Nothing can be placed freely in a mail; it stays where it stands."),
        f"{FEATURES}/css-position/",
        value=r"absolute|fixed|sticky",
    ),
    Limitation(
        "property",
        "float",
        (OUTLOOK,),
        _("Floating boxes do not float; use a table or the attribute align."),
        f"{FEATURES}/css-float/",
        value=r"left|right|inline-.*",
    ),
    Limitation(
        "property",
        "background-image",
        (OUTLOOK,),
        _("Background images are not shown; set a background colour as well."),
        f"{FEATURES}/css-background-image/",
        value=r".*url\(.*",
    ),
    Limitation(
        "property",
        "background",
        (OUTLOOK,),
        _("Background images are not shown; set a background colour as well."),
        f"{FEATURES}/css-background-image/",
        value=r".*url\(.*",
    ),
    Limitation(
        "property",
        "animation",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Nothing moves: animations are ignored."),
        f"{FEATURES}/css-animation/",
    ),
    Limitation(
        "property",
        "transform",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Nothing is turned or moved: transform is ignored."),
        f"{FEATURES}/css-transform/",
    ),
    Limitation(
        "property",
        "filter",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Filters on images are ignored; change the image."),
        f"{FEATURES}/css-filter/",
    ),
    Limitation(
        "property",
        "opacity",
        (OUTLOOK, YAHOO),
        _("What should be translucent is shown in full; choose a lighter colour."),
        f"{FEATURES}/css-opacity/",
    ),
    Limitation(
        "property",
        "box-shadow",
        (GMAIL_WEB, OUTLOOK, YAHOO),
        _("Shadows are not drawn; a border is."),
        f"{FEATURES}/css-box-shadow/",
    ),
    Limitation(
        "property",
        "object-fit",
        (OUTLOOK, YAHOO),
        _("Images are stretched; cut them to size beforehand."),
        f"{FEATURES}/css-object-fit/",
    ),
    Limitation(
        "function",
        "var",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("CSS variables have no value; write the value itself."),
        f"{FEATURES}/css-variables/",
    ),
    Limitation(
        "function",
        "calc",
        (OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Nothing is calculated; write the value itself."),
        f"{FEATURES}/css-unit-calc/",
    ),
    Limitation(
        "function",
        "light-dark",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("The colour is ignored; use @media (prefers-color-scheme: dark)."),
        f"{FEATURES}/css-function-light-dark/",
    ),
    Limitation(
        "rule",
        "font-face",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Fonts are not loaded; the next font in the list is shown."),
        f"{FEATURES}/css-at-font-face/",
    ),
    Limitation(
        "rule",
        "import",
        (GMAIL, OUTLOOK_WEB, YAHOO),
        _("Style sheets are not loaded; put the styles into the mail."),
        f"{FEATURES}/css-at-import/",
    ),
    # ---------------------------------------------------------------- images
    Limitation(
        "image", ".svg", (GMAIL_WEB, OUTLOOK), _("SVG images are not shown; use PNG."), f"{FEATURES}/image-svg/"
    ),
    Limitation(
        "image", ".webp", (OUTLOOK,), _("WebP images are not shown; use PNG or JPEG."), f"{FEATURES}/image-webp/"
    ),
    Limitation(
        "scheme",
        "data",
        (OUTLOOK, "Gmail (iOS)"),
        _("Images written into the HTML are not shown; attach or link them."),
        f"{FEATURES}/image-base64/",
    ),
)
