"""What mail clients drop or ignore, each limitation with its source. Data only; `lint.html` looks for it.

From the test results of caniemail.com (data: github.com/hteumeuleu/caniemail), read in 2026. Listed is what a widely
used client drops so that the message looks broken, not merely plainer.
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
    """Something that some mail clients drop.

    `kind` says where to look for `name`: ``element``, ``property`` (of CSS; only with a value that matches the regular
    expression `value`, if given), ``function`` (in a CSS value), ``rule`` (an at-rule), ``image`` (the end of a file
    name) or ``scheme`` (of an image's address).
    """

    kind: str
    name: str
    dropped_by: tuple[str, ...]
    sentence: _StrPromise
    source: str
    value: str = ""


LIMITATIONS = (
    # ---------------------------------------------------------------- elements
    Limitation(
        "element", "script", (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO), _("Scripts never run in an email."), STRIPPED
    ),
    Limitation(
        "element", "iframe", (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO), _("Frames are removed; link to the page."), STRIPPED
    ),
    Limitation("element", "embed", (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO), _("Embedded content is removed."), STRIPPED),
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
        _("Videos are removed; show an image that links to the video."),
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
        _("Inline SVG is removed; use a PNG image."),
        f"{FEATURES}/html-svg/",
    ),
    Limitation(
        "element",
        "picture",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Only the img inside a picture element is shown."),
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
        _("Linked style sheets are not loaded; put the styles in the HTML."),
        f"{FEATURES}/html-link/",
    ),
    # ---------------------------------------------------------------- CSS
    Limitation(
        "property",
        "display",
        (OUTLOOK,),
        _("Flex items are stacked; use a table."),
        f"{FEATURES}/css-display-flex/",
        value=r"(inline-)?flex",
    ),
    Limitation(
        "property",
        "display",
        (GMAIL, OUTLOOK, YAHOO),
        _("Grid items are stacked; use a table."),
        f"{FEATURES}/css-display-grid/",
        value=r"(inline-)?grid",
    ),
    Limitation(
        "property",
        "position",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Positioning is ignored; the element stays in the text flow."),
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
        _("Animations are ignored."),
        f"{FEATURES}/css-animation/",
    ),
    Limitation(
        "property",
        "transform",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Transforms are ignored."),
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
        _("Opacity is ignored; use a lighter colour."),
        f"{FEATURES}/css-opacity/",
    ),
    Limitation(
        "property",
        "box-shadow",
        (GMAIL_WEB, OUTLOOK, YAHOO),
        _("Shadows are not drawn; use a border."),
        f"{FEATURES}/css-box-shadow/",
    ),
    Limitation(
        "property",
        "object-fit",
        (OUTLOOK, YAHOO),
        _("Images are stretched; crop them beforehand."),
        f"{FEATURES}/css-object-fit/",
    ),
    Limitation(
        "function",
        "var",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("CSS variables are not supported; write the value itself."),
        f"{FEATURES}/css-variables/",
    ),
    Limitation(
        "function",
        "calc",
        (OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("calc() is not supported; write the value itself."),
        f"{FEATURES}/css-unit-calc/",
    ),
    Limitation(
        "function",
        "light-dark",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("light-dark() is ignored; use @media (prefers-color-scheme: dark)."),
        f"{FEATURES}/css-function-light-dark/",
    ),
    Limitation(
        "rule",
        "font-face",
        (GMAIL, OUTLOOK, OUTLOOK_WEB, YAHOO),
        _("Web fonts are not loaded; the next font in the list is used."),
        f"{FEATURES}/css-at-font-face/",
    ),
    Limitation(
        "rule",
        "import",
        (GMAIL, OUTLOOK_WEB, YAHOO),
        _("Imported style sheets are not loaded; put the styles in the HTML."),
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
        _("Images in data: addresses are not shown; attach or link them."),
        f"{FEATURES}/image-base64/",
    ),
)
