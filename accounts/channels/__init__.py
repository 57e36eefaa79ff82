"""The channels to people outside of the app: letters, push messages and texts, and the webhooks that tell of them."""
