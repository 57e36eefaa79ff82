"""The settings of production, but for the address of Stripe: here it is one that times out after it has paid."""

import os

from config.settings import *  # noqa: F403 - all of them is the point

STRIPE_URL = os.environ["CHAOS_STRIPE_URL"]
