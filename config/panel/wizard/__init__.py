"""Making a competition step by step.

The wizard asks, and the API's own bodies check what was answered: its questions are called as the body's fields are.
Answers are kept in the session under the id that the competition will have, so that two tabs are two competitions, and
a double click makes one. Not formtools' wizard: that keeps one per session, and makes what it makes in a GET.
"""

from config.panel.wizard.views import wizard_view

__all__ = ["wizard_view"]
