"""Templates that waste time or memory, never end, or reach for what they may not use: each must be refused.

Each is the HTML of ``test/mail``; `VALUES` are its values, `PARTS` the parts that it can use.
"""

from __future__ import annotations

from templates_app.content.content import Content
from tests.templates_app.transfer.bundles import content_of

VALUES = {"name": "Ann", "things": ["a", "b"]}
BIG = "{% set x = 'ab' * 1000 %}"


def nested(depth: int, count: int, body: str = "") -> str:
    opened = "".join(f"{{% for i{level} in range({count}) %}}" for level in range(depth))
    return opened + body + "{% endfor %}" * depth


LOOPS = [
    nested(2, 99_999),
    nested(3, 9_999),
    nested(5, 1_000),
    nested(20, 100),
    nested(3, 9_999, "{% set x = 1 %}"),
    nested(2, 99_999, "{{ '' }}"),
    nested(3, 9_999, "{{ name[0:0] }}"),
    nested(2, 50_000, "{% if name %}{% endif %}"),
    nested(2, 90_000, "{% set y = name|upper|lower %}"),
    "{% for i in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}",
    "{% for a in things recursive %}{{ loop(things) }}{% endfor %}",
    "{% set ns = namespace(n=0) %}" + nested(2, 99_999, "{% set ns.n = ns.n + 1 %}"),
    "{% set c = cycler('a', 'b') %}" + nested(2, 99_999, "{% set z = c.next() %}"),
    "{% for i in range(99999) %}{{ range(99999)|sum|string|length|string|reject }}{% endfor %}",
    "{% for i in range(99999) %}{% set z = range(99999)|list|sort|length %}{% endfor %}",
    "{% for i in range(99999) %}{% set z = range(99999)|map('string')|join|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = range(99999)|groupby('real')|list|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = range(99999)|unique|list|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = range(99999)|batch(2)|list|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = range(99999)|slice(99999)|list|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = (('www.example.com ' ~ name) * 9999)|urlize|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = ((name ~ ' b ') * 9999)|wordwrap(3)|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = ((name ~ '<b>') * 99999)|striptags|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = ((name ~ ' ') * 99999)|title|length %}{% endfor %}",
    "{% for i in range(9999) %}{% set z = (name * 999999)|replace('A', 'b')|length %}{% endfor %}",
]

NUMBERS = [
    "{{ 9 ** (9 ** 9) }}",
    "{{ 2 ** (2 ** 40) }}",
    "{{ (10 ** 9999) ** 9999 }}",
    "{{ 7 ** 7 ** 7 ** 7 ** 7 ** 7 ** 7 ** 7 }}",
    "{% set n = 9 ** 9999 %}{% for i in range(9999) %}{% set z = (n ** 9999) % 7 %}{% endfor %}",
    "{{ 10 ** 5000 }}",
    "{{ (9 ** 99999) // 3 }}",
    "{{ 1e308 * 10 | round }}{{ (1e308 * 10) | int }}",
    "{{ range(10 ** 9) }}",
    "{{ range(0, 10 ** 30, 1) | list }}",
]

MEMORY = [
    "{{ 'x' * 10 ** 9 }}",
    "{{ 'x' * 10 ** 12 }}",
    "{{ 'x' * 10 ** 30 }}",
    "{{ [0] * 10 ** 9 }}",
    "{{ (0,) * 10 ** 9 }}",
    "{{ ([[0] * 9999] * 9999)|string|length|string * 9999999999 }}",
    "{% set x = 'x' * 99999999 %}{% set y = x ~ x ~ x ~ x ~ x %}{{ y ~ y }}",
    "{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "{% set ns = namespace(x=[0]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ '{:>999999999}'.format('x') }}",
    "{{ '%*d' % (999999999, 1) }}",
    "{{ 'x'|center(999999999) }}",
    "{{ 'x'.ljust(999999999) }}",
    "{{ ('x\n' * 999999)|indent(99999) }}",
    "{{ 'a'.join(['x' * 99999] * 99999) }}",
    "{{ ('x' * 99999).replace('x', 'y' * 99999) }}",
    "{{ range(99999)|map('string')|list * 99999 }}",
    "{{ ('x,' * 99999999).split(',')|length|string * 9999999999 }}",
    "{{ dict(a='x' * 999999999) }}",
    "{{ ['x']|slice(99999999)|list }}",
    "{{ ['x']|batch(999999999, 'y')|list }}",
    "{{ 'x'.zfill(999999999) }}",
    "{{ ('x' * 99999999)|list }}",
    "{{ ('é' * 99999999)|urlencode }}",
    "{{ ('&' * 99999999)|e }}",
    "{{ ([('x' * 9999)] * 99999)|tojson }}",
    "{{ 'a\tb'.expandtabs(999999999) }}",
]

RECURSION = [
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% macro a(n) %}{{ a(n ~ n) }}{% endmacro %}{{ a('x') }}",
    "{% macro a(n) %}{% if n %}{{ a(n - 1) }}{{ a(n - 1) }}{% endif %}{% endmacro %}{{ a(60) }}",
    "{% macro a(n) %}{% if n %}{{ a(n - 1) ~ a(n - 1) }}x{% endif %}{% endmacro %}{{ a(60) }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% macro a() %}{% call a() %}x{% endcall %}{% endmacro %}{{ a() }}",
    "{% block a %}{{ self.a() }}{% endblock %}",
    "{% block a %}{{ self.b() }}{% endblock %}{% block b %}{{ self.a() }}{% endblock %}",
    "{% include 'mail/itself' %}",
    "{% extends 'mail/circle' %}",
    "{% from 'mail/importing' import x %}{{ x }}",
    "{% include 'mail/twice' %}",
    "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
    "{{ " + "[" * 5_000 + "]" * 5_000 + " }}",
    "{{ " + "-" * 20_000 + "1 }}",
    "{{ " + "not " * 20_000 + "1 }}",
    "{{ 1" + " + 1" * 40_000 + " }}",
    "{{ name" + ".a" * 40_000 + " }}",
    "{{ name" + "|upper" * 20_000 + " }}",
    "{% if 1 %}" * 5_000 + "{% endif %}" * 5_000,
    "{% for a in things %}" * 40 + "x" + "{% endfor %}" * 40,
]

FLOODS = [
    nested(1, 99_999, "x" * 100),
    nested(2, 2_000, "x"),
    "{{ 'x' * 2000000 }}",
    "{{ ('<p>' * 400000)|safe }}",
    BIG + nested(1, 9_999, "{{ x }}"),
    "{% filter upper %}" + nested(1, 99_999, "x" * 100) + "{% endfilter %}",
    "{% set x %}" + nested(1, 99_999, "x" * 20_000) + "{% endset %}{{ x }}",
    "x" * 190_000 + "{{ name * 400000 }}",
]

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ ''|attr('__cla' ~ 'ss__') }}",
    "{{ things|map(attribute='__class__')|list }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ '{0.__class__.__init__.__globals__}'.format(name) }}",
    "{{ ('{0.__class__}'|safe).format(name) }}",
    "{{ name.format_map }}{{ '{a.__class__}'.format_map({'a': name}) }}",
    "{{ '%s'.__mod__(name) }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ dict.__base__ }}",
    "{{ range.__class__ }}",
    "{{ loop }}",
    "{{ lipsum.__globals__ }}",
    "{{ get_flashed_messages }}",
    "{{ request }}",
    "{{ settings.SECRET_KEY }}",
    "{{ config }}",
    "{{ environment }}",
    "{{ __builtins__ }}",
    "{{ open('/etc/passwd').read() }}",
    "{{ __import__('os') }}",
    "{% import 'os' as os %}{{ os }}",
    "{% include '/etc/passwd' %}",
    "{% include '../../config/settings.py' %}",
    "{% extends 'mail/../../config/settings.py' %}",
    "{% macro a() %}{% endmacro %}{{ a.__call__.__func__.__globals__ }}",
    "{% macro a() %}{% endmacro %}{{ a._func.__globals__ }}",
    "{% macro a() %}{{ caller.__init__ }}{% endmacro %}{% call a() %}{% endcall %}",
    "{{ things.append('c') }}",
    "{{ things.clear() }}",
    "{% set d = {} %}{{ d.update({'a': 1}) }}",
    "{% for a in things %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{{ (name for name in things).gi_frame }}",
    "{{ name|pprint }}",
    "{% debug %}",
    "{% do things.append('c') %}",
    "{{ 'x'|upper.__globals__ }}",
    "{{ {}.__class__.__base__ }}",
    "{{ ().__class__.__bases__[0].__subclasses__()[100] }}",
    "{{ name.encode.__self__.__class__ }}",
    "{{ 1 .__class__ }}",
]

KINDS = {
    "loops": LOOPS,
    "numbers": NUMBERS,
    "memory": MEMORY,
    "recursion": RECURSION,
    "floods": FLOODS,
    "escapes": ESCAPES,
}
ALL = [source for sources in KINDS.values() for source in sources]

PARTS: dict[str, Content] = {
    "mail/itself": content_of(html="{% include 'mail/itself' %}"),
    "mail/circle": content_of(html="{% extends 'mail/circle' %}"),
    "mail/importing": content_of(html="{% from 'mail/importing' import x %}"),
    "mail/twice": content_of(html="{% include 'mail/twice' %}{% include 'mail/twice' %}"),
}
