from competitions.models import Competition


class Settlement(Competition):
    """A competition as a treasurer sees it."""

    class Meta:
        proxy = True
