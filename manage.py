#!/usr/bin/env python
"""Django's command line, with Pacesetter's settings."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config.core.audit import commanding  # needs to know the settings

    with commanding(sys.argv):
        execute_from_command_line(sys.argv)
