"""Sections in, one HTML page out, complete in itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clvforecast.reporting.blocks import Chart, Section
from clvforecast.reporting.languages import Language, isolate

__all__ = ["write_page"]

_TEMPLATES: Final = "templates"


def write_page(
    sections: Sequence[Section], language: Language, *, title: str, lead: str, terms: str
) -> str:
    """Fill the template. Nothing is loaded from anywhere, and only the page's own script may run.

    Parameters
    ----------
    sections : sequence of Section
    language : Language
    title, lead, terms : str
        Above the sections: the heading, and two sentences.

    Returns
    -------
    str
        The same text for the same sections.
    """
    import clvforecast

    environment = Environment(
        loader=PackageLoader("clvforecast.reporting", _TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]
    style = _text("style.css") + _rules_of(sections)
    script = _text("script.js")
    return environment.get_template("page.html.j2").render(
        sections=sections,
        language=language,
        title=title,
        lead=lead,
        terms=terms,
        digits="".join(language.number(digit, 0) for digit in range(10)),
        maker=isolate(f"clvforecast {clvforecast.__version__}"),
        version=clvforecast.__version__,
        policy=_policy(style, script),
        style=Markup(style),  # noqa: S704 - the package's own files
        script=Markup(script),  # noqa: S704
    )


def _text(name: str) -> str:
    home = resources.files("clvforecast.reporting") / _TEMPLATES / name
    return home.read_text(encoding="utf-8")


def _rules_of(sections: Sequence[Section]) -> str:
    """The classes that the charts' pictures use, once each."""
    rules: dict[str, str] = {}
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Chart):
                rules |= _checked(block.rules)
    return "".join(f".{name} {{ {rules[name]} }}\n" for name in sorted(rules))


def _checked(rules: Mapping[str, str]) -> Mapping[str, str]:
    """Rules that end neither their block nor the style element."""
    if any(set(declarations) & set("{}<>@") for declarations in rules.values()):
        raise AssertionError("a picture has style that is no list of declarations")
    return rules


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
