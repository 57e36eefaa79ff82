"""The panel: what organisers, reviewers, treasurers and support do in the admin site, put together from every app."""
