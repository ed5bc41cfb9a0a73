"""The chip that shows a state: a colour, and always a word."""

from django.template import engines

from tests.cases import case


def test_a_chip_has_its_colour_and_its_word_escaped():
    for tag, html in [
        ('status_chip "Sent" status="sent"', '<span class="status" data-status="sent">Sent</span>'),
        ('status_chip "Paused" tone="warn"', '<span class="status" data-tone="warn">Paused</span>'),
        ('status_chip "None"', '<span class="status" data-tone="muted">None</span>'),
        ("status_chip word tone=word", '<span class="status" data-tone="&lt;b&gt;">&lt;b&gt;</span>'),
    ]:
        with case(tag):
            assert engines["django"].from_string(f"{{% {tag} %}}").render({"word": "<b>"}) == html
