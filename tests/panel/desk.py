"""Somebody in front of the panel."""

import re
from typing import Any

from django.utils.html import strip_tags


def text_of(answer: Any) -> str:
    """As somebody reads the page's own part: without tags, in one line."""
    assert answer.status_code == 200, answer
    page = answer.content.decode()
    page = page[page.index('id="content-main"') :] if 'id="content-main"' in page else page
    plain = strip_tags(re.sub(r"<script\b.*?</script>", " ", page, flags=re.DOTALL).replace("<", " <"))
    return " ".join(plain.replace("&#x27;", "'").replace("&quot;", '"').replace("&amp;", "&").split())


def messages_of(answer: Any) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def hidden_fields(answer: Any) -> dict[str, str]:
    """What the form that is sent by POST holds already."""
    page = answer.content.decode()
    form = page[page.rindex('<form method="post"') :]
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form[: form.index("</form>")])
    return {name: value for name, value in found if name != "csrfmiddlewaretoken"}
