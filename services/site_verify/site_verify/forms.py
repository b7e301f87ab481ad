"""Forms and links of a web page, as a browser without scripts would read and send them."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

# Never sent by a browser unless the person presses that very button.
BUTTONS = {"submit", "button", "reset", "image", "file"}


@dataclass
class Form:
    """One form: where it goes and what it would send when nothing is typed."""

    action: str
    method: str
    form_id: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    password_fields: list[str] = field(default_factory=list)
    text_fields: list[str] = field(default_factory=list)

    def filled(self, **values: str) -> list[tuple[str, str]]:
        """The pairs to send, with the fields named in ``values`` replaced (or added when the form has none)."""
        kept = [(name, value) for name, value in self.fields if name not in values]
        return kept + list(values.items())


@dataclass
class Page:
    """What matters of one HTML page: title, forms, links, and the text of every element that has an id."""

    url: str
    title: str = ""
    forms: list[Form] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    text_by_id: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def login_form(self) -> Form | None:
        """The form that asks for a password, or None."""
        return next((form for form in self.forms if form.password_fields), None)

    def form(self, form_id: str) -> Form | None:
        """The form with that id, or None."""
        return next((form for form in self.forms if form.form_id == form_id), None)

    def link(self, part: str) -> str | None:
        """The first link whose address contains ``part``, made absolute, or None."""
        return next((link for link in self.links if part in link), None)


VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class PageParser(HTMLParser):
    """Collects a Page. Unclosed elements are closed with their parent, as browsers do."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = Page(url=url)
        self.form: Form | None = None
        self.select: tuple[str, list[tuple[str, bool]]] | None = None
        self.textarea: str | None = None
        self.open: list[tuple[str, str]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes forms, their fields, and links."""
        got = {name: value or "" for name, value in attrs}
        if tag not in VOID:
            self.open.append((tag, got.get("id", "")))
        if tag == "a" and got.get("href"):
            self.page.links.append(urljoin(self.page.url, got["href"]))
        elif tag == "form":
            action = urljoin(self.page.url, got.get("action") or self.page.url)
            self.form = Form(action=action, method=got.get("method", "get").lower(), form_id=got.get("id", ""))
            self.page.forms.append(self.form)
        elif self.form is not None and "disabled" not in got:
            self.note_field(self.form, tag, got)

    def note_field(self, form: Form, tag: str, got: dict[str, str]) -> None:
        """Adds what one input, select, option or textarea would send."""
        name = got.get("name", "")
        if tag == "input" and name:
            kind = got.get("type", "text").lower()
            if kind == "password":
                form.password_fields.append(name)
            elif kind in {"text", "email"}:
                form.text_fields.append(name)
            if kind in {"radio", "checkbox"}:
                if "checked" in got:
                    form.fields.append((name, got.get("value") or "on"))
            elif kind not in BUTTONS:
                form.fields.append((name, got.get("value", "")))
        elif tag == "select" and name:
            self.select = (name, [])
        elif tag == "option" and self.select is not None:
            self.select[1].append((got.get("value", ""), "selected" in got))
        elif tag == "textarea" and name:
            form.fields.append((name, ""))
            self.textarea = name

    def handle_endtag(self, tag: str) -> None:
        """Closes the element, and what was left open inside it."""
        if tag == "select" and self.select is not None and self.form is not None:
            name, options = self.select
            chosen = next((value for value, selected in options if selected), options[0][0] if options else None)
            if chosen is not None:
                self.form.fields.append((name, chosen))
            self.select = None
        elif tag == "form":
            self.form = None
        elif tag == "textarea":
            self.textarea = None
        if any(element[0] == tag for element in self.open):
            while self.open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Adds text to the title, to the open elements with ids, and to a textarea."""
        inside = {element[0] for element in self.open}
        if "title" in inside:
            self.page.title += data.strip()
        if inside & {"script", "style", "noscript", "nav"}:
            return
        if self.textarea is not None and self.form is not None and self.form.fields:
            name, value = self.form.fields[-1]
            self.form.fields[-1] = (name, value + data)
        self.words.append(data)
        for _tag, element_id in self.open:
            if element_id:
                self.page.text_by_id[element_id] = f"{self.page.text_by_id.get(element_id, '')} {data}"


def parse_page(url: str, html: str) -> Page:
    """The page at ``url``. Never fails: what is not HTML has no forms and no links."""
    parser = PageParser(url)
    parser.feed(html)
    parser.close()
    page = parser.page
    page.text = " ".join(" ".join(parser.words).split())
    page.text_by_id = {key: " ".join(value.split()) for key, value in page.text_by_id.items()}
    return page
