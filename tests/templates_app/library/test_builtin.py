"""The built-in templates, each in every language with every sample."""

import json
import re
from html.parser import HTMLParser
from typing import NamedTuple

import jinja2
import jinja2.meta
import jinja2.nodes
import pytest

from templates_app.builtin_files import BUILTIN, builtin_projects
from templates_app.engine.engine import Bundle, Rendered, render_bundle
from templates_app.engine.jinja_filters import filters_for
from templates_app.files.project_files import files_of
from templates_app.lint.lint import lint_mail
from tests.cases import case
from tests.config.starting import BASE_DIR

KEYS = {
    "account/email_changed",
    "account/invitation",
    "account/password_changed",
    "account/password_reset",
    "account/registration_confirmation",
    "account/sign_in_code",
    "account/welcome",
    "mail/daily_digest",
    "mail/notification",
    "mail/test",
    "platform/account_disconnected",
    "platform/backup_status",
    "platform/campaign_complete",
    "platform/post_failed",
    "platform/quota_warning",
    "platform/security_alert",
}
LANGUAGES = ("en", "de")
SHARED = {
    "brand_name": "Example",
    "brand_address": "Example Ltd, 1 High Street, London",
    "brand_color": "#4044c8",
    "base_url": "https://mail.example.com",
}
PARTS = {
    f"{project.key}/{one.key}": one.content
    for project in builtin_projects()
    for one in project.documents
    if one.kind == "part"
}
TEMPLATES = {
    f"{project.key}/{one.key}": one
    for project in builtin_projects()
    for one in project.documents
    if one.kind == "template"
}
URL = re.compile(r"https?://\S+")


def rendered(key, sample, language, **values):
    template = TEMPLATES[key]
    bundle = Bundle(key=key, content=template.content, parts=PARTS, shared=SHARED)
    return render_bundle(bundle, {**template.samples[sample], **values}, language)


def first_sample(key):
    return next(iter(TEMPLATES[key].samples))


class Elements(HTMLParser):
    """Collects the elements and the text of a message."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.words = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


class RenderedSample(NamedTuple):
    key: str
    sample: str
    language: str
    mail: Rendered
    elements: Elements

    @property
    def case(self):
        return case(self.key, self.language, self.sample)


@pytest.fixture(scope="module")
def mails():
    """Every template in every language with every sample, rendered once for all tests."""
    found = []
    for key in sorted(KEYS):
        for sample in TEMPLATES[key].samples:
            for language in LANGUAGES:
                with case(key, language, sample):
                    mail = rendered(key, sample, language)
                    found.append(RenderedSample(key, sample, language, mail, Elements(mail.html)))
    return found


def test_all_are_there():
    assert TEMPLATES.keys() == KEYS
    assert {tuple(sorted(one.content.languages)) for one in TEMPLATES.values()} == {("de", "en")}


def test_the_files_are_written_as_an_export_would_write_them():
    for project in builtin_projects():
        for path, data in files_of(project).items():
            assert (BUILTIN / project.key / path).read_bytes() == data, path


def test_nothing_is_left_over(mails):
    for one in mails:
        with one.case:
            for text in (one.mail.subject, one.mail.html, one.mail.text):
                assert not re.search(r"{{|}}|{%|%}|\bNone\b|Undefined|nan\b", text), text
            assert one.mail.language == one.language


def test_the_checks_before_publishing_find_nothing(mails):
    for one in mails:
        with one.case:
            template = TEMPLATES[one.key]
            variables = template.content.variables
            assert lint_mail(one.mail, template.tags, variables, template.content, shared=SHARED) == []


def test_subjects_are_short_and_on_one_line(mails):
    for one in mails:
        with one.case:
            subject = one.mail.subject
            assert subject == subject.strip()
            assert 10 < len(subject) < 80
            assert "\n" not in subject


def test_html_is_small_and_made_of_tables_without_images(mails):
    for one in mails:
        with one.case:
            html, elements = one.mail.html, one.elements
            assert len(html.encode()) < (12_000 if one.sample == first_sample(one.key) else 102_000)
            assert elements.named("html")[0]["lang"] == one.language
            assert {attributes.get("role") for attributes in elements.named("table")} == {"presentation"}
            assert not elements.named("img")
            assert not elements.named("link")
            assert html.count("<table") == html.count("</table>")
            assert html.count("[if mso]") == html.count("[endif]")


def test_dark_and_phone_rules_survive_the_inlining(mails):
    for one in mails:
        with one.case:
            html = one.mail.html
            assert '<meta name="color-scheme" content="light dark">' in html
            dark = html[html.index("@media (prefers-color-scheme: dark)") :].split("</style>")[0]
            assert all("!important" in rule for rule in re.findall(r"[\w-]+: [^;{}]+;", dark))
            assert "@media (max-width: 480px)" in html
            card = next(attributes for tag, attributes in one.elements.found if attributes.get("class") == "card")
            assert "background-color: #ffffff" in card["style"]


def test_every_link_is_https_and_in_both_texts(mails):
    for one in mails:
        with one.case:
            links = {attributes["href"] for attributes in one.elements.named("a")}
            assert all(link.startswith("https://") for link in links)
            assert set(URL.findall(one.mail.text)) == links


def test_the_plain_text_is_good_to_read(mails):
    for one in mails:
        with one.case:
            text = one.mail.text
            assert not text.startswith("\n")
            assert "\n\n\n" not in text.rstrip("\n")
            assert "<" not in text
            for line in text.splitlines():
                assert len(line) <= 78 or URL.fullmatch(line.strip()), line
                assert URL.fullmatch(line.strip()) or not URL.search(line), f"{line}: a link has a line of its own"
                assert line == line.rstrip() or line.strip() == ""
            assert "Example Ltd, 1 High Street, London" in text


def test_there_is_a_preview_line_before_the_mail(mails):
    for one in mails:
        with one.case:
            body = one.mail.html.split("<body")[1].partition(">")[2]
            words = [word for word in Elements(body).words if word.strip()]
            assert 5 < len(words[0].split("͏")[0].strip()) < 130


def test_german_differs_from_english(mails):
    english_mails, german_mails = (
        {(one.key, one.sample): one.mail for one in mails if one.language == language} for language in LANGUAGES
    )
    for (key, sample), english in english_mails.items():
        with case(key, sample):
            german = german_mails[key, sample]
            assert english.html != german.html
            assert english.text != german.text
            assert (english.subject != german.subject) == (key != "mail/notification")
            assert not re.search(r"\b(Hello|You received this email)\b", german.html + german.text)
            assert not re.search(r"\b(Guten Tag|Sie erhalten)\b", english.html + english.text)


def test_an_unknown_language_gets_english_and_an_austrian_german():
    for key in KEYS:
        with case(key):
            assert rendered(key, first_sample(key), "fr").language == "en"
            assert rendered(key, first_sample(key), "de-AT").language == "de"


def test_each_text_uses_every_declared_variable_and_no_other():
    for language in LANGUAGES:
        environment = jinja2.Environment(autoescape=True)
        environment.filters.update(filters_for(language))
        for key, template in TEMPLATES.items():
            declared = {variable.name for variable in template.content.variables}
            texts = template.content.languages[language]
            for kind, source in (("html", texts.html), ("text", texts.text)):
                with case(key, language, kind):
                    tree = environment.parse(texts.subject + source)
                    imported = {name for found in tree.find_all(jinja2.nodes.FromImport) for name in found.names}
                    # Jinja does not see from inside a block what was imported outside of it.
                    assert jinja2.meta.find_undeclared_variables(tree) - imported - set(SHARED) == declared


def test_variables_and_samples_are_described():
    for key, template in TEMPLATES.items():
        with case(key):
            assert template.name
            assert template.description.endswith(".")
            assert len(template.samples) >= 2
            for variable in template.content.variables:
                assert variable.description, variable.name
                assert variable.sample not in ("", None) or not variable.required, variable.name
            for sample, values in template.samples.items():
                assert values.keys() == {variable.name for variable in template.content.variables}, sample


def test_whoever_has_no_name_is_greeted_without():
    with_name = {key for key, one in TEMPLATES.items() if any(each.name == "name" for each in one.content.variables)}
    assert KEYS - with_name == {"mail/test"}
    for key in with_name:
        for language in LANGUAGES:
            with case(key, language):
                for nobody in (None, ""):
                    mail = rendered(key, first_sample(key), language, name=nobody)
                    assert re.match(r"(Hello|Guten Tag)[,!]\n", mail.text)
                assert "Ann &lt;b&gt;" in rendered(key, first_sample(key), language, name="Ann <b>").html


def test_mails_to_many_say_how_to_unsubscribe():
    bulk = {key for key, one in TEMPLATES.items() if "bulk" in one.tags}
    assert bulk == {"mail/daily_digest", "platform/campaign_complete"}
    for key in bulk:
        for language in LANGUAGES:
            with case(key, language):
                mail = rendered(key, first_sample(key), language, unsubscribe_url="https://example.com/stop/1")
                assert 'href="https://example.com/stop/1"' in mail.html
                assert "https://example.com/stop/1" in mail.text


def test_security_mails_say_when_from_where_and_what_to_do(mails):
    security = {
        "account/password_changed", "account/email_changed", "account/sign_in_code", "platform/security_alert"
    }  # fmt: skip
    days = {"en": "March 14, 2026", "de": "14. März 2026"}
    checked = [one for one in mails if one.key in security and one.sample == first_sample(one.key)]
    assert len(checked) == len(security) * len(days)
    for one in checked:
        with one.case:
            for text in (one.mail.html, one.mail.text):
                assert days[one.language] in text
                assert "203.0.113.7" in text
                assert "Firefox on Windows" in text
                assert TEMPLATES[one.key].samples[one.sample]["secure_url"] in text


def test_the_sign_in_code_is_not_in_the_subject_which_the_log_keeps():
    for language in LANGUAGES:
        assert "482913" not in rendered("account/sign_in_code", "With all details", language).subject


def test_numbers_are_counted_as_the_language_does():
    for count, english, german in (
        (0, "Nothing new on", "Nichts Neues vom"),
        (1, "1 thing", "1 Neuigkeit vom"),
        (1200, "1,200 things", "1.200 Neu"),
    ):
        entries = [{"title": "A"}] * count  # neither text nor url
        with case(count):
            assert rendered("mail/daily_digest", "A usual day", "en", entries=entries).subject.startswith(english)
            assert rendered("mail/daily_digest", "A usual day", "de", entries=entries).subject.startswith(german)


def test_a_used_up_quota_of_nothing_does_not_divide_by_it():
    for used in (0, 5):
        assert (
            "the limit is reached"
            in rendered("platform/quota_warning", "Nearly used up", "en", used=used, limit=0).subject
        )


def test_the_name_address_and_colour_of_the_platform_are_used():
    template = TEMPLATES["account/welcome"]
    shared = {**SHARED, "brand_name": "Garden & Co", "brand_color": "#0a6b3d", "brand_address": ""}
    bundle = Bundle(key="account/welcome", content=template.content, parts=PARTS, shared=shared)
    mail = render_bundle(bundle, template.samples["With help"], "en")
    assert "Garden &amp; Co" in mail.html
    assert "#0a6b3d" in mail.html
    assert "#4044c8" not in mail.html
    assert mail.text.rstrip().endswith("Sent by Garden & Co")


def test_german_is_formal_and_quotes_as_german_does():
    for key in KEYS:
        texts = TEMPLATES[key].content.languages["de"]
        source = texts.subject + texts.html + texts.text
        assert not re.search(r"\b(du|dein|deine|dir|dich)\b", source, re.IGNORECASE)
        assert "“{{" not in source  # English quotation marks
        assert not re.search(r"\b(sie sich nicht|ihr Konto|ihre E-Mail)\b", source)


def test_descriptions_of_files_are_json_in_the_order_of_the_format():
    for file in BUILTIN.rglob("template.json"):
        data = json.loads(file.read_text())
        assert list(data) == ["name", "description", "tags", "default_language", "variables", "samples"]
        for variable in data["variables"]:
            assert list(variable) == ["name", "type", "description", "sample", "required", "secret"][: len(variable)]


def test_what_lets_its_holder_in_is_declared_secret():
    secrets = {f"{key}:{one.name}" for key, file in TEMPLATES.items() for one in file.content.variables if one.secret}
    assert secrets == {
        "account/invitation:invite_url",
        "account/password_reset:reset_url",
        "account/registration_confirmation:confirm_url",
        "account/sign_in_code:code",
    }


def test_the_documentation_lists_every_template_with_its_values():
    lines = (BASE_DIR / "docs/templates.md").read_text().splitlines()
    for key, template in TEMPLATES.items():
        line = next(line for line in lines if line.startswith(f"| `{key}` |"))
        listed = line.rsplit("|", 2)[1].split()
        assert listed == [f"`{one.name}`" + ("" if one.required else "?") for one in template.content.variables]


def test_the_documentation_says_how_filters_write():
    text = (BASE_DIR / "docs/templates.md").read_text()
    for language, examples in (
        ("en", ("March 14, 2026", "March 14, 2026, 9:26:00 AM UTC", "9:26 AM", "8,420", "84%", "€19.90")),
        ("de", ("14. März 2026", "14. März 2026, 09:26:00 UTC", "09:26", "8.420", "84 %", "19,90 €")),
    ):
        filters = filters_for(language)
        at = "2026-03-14T09:26:00+00:00"
        written = (
            filters["date"](at, "long"),
            filters["datetime"](at, "long"),
            filters["time"](at),
            filters["number"](8420),
            filters["percent"](0.84),
            filters["money"](19.9, "EUR"),
        )
        assert tuple(re.sub("[\u202f\xa0]", " ", one) for one in written) == examples
        assert all(example in text for example in examples)
