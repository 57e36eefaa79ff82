"""The participant's pages: what the API offers, for people without an app. Rendered here, small, and whole without a
script; each calls the services and queries that the API calls, and has no rule of its own."""
