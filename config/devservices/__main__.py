"""python -m config.devservices run | cluster | exec -- COMMAND... | stop   (only with DEBUG=true)"""

import os
import sys
from pathlib import Path

from config.core.environment import Environment, SettingError
from config.devservices import EngineError, provide, stop
from config.devservices.cluster import run_cluster
from config.devservices.run import run


def main(arguments: list[str]) -> int:
    """Answers the exit code: 2 when it was called wrongly."""
    try:
        settings = Environment.read(os.environ)
    except SettingError as error:
        return _refused(str(error))
    if not settings.DEBUG:
        return _refused("The embedded engines are for development only; set DEBUG=true to use them.")
    data_dir = Path(settings.DATA_DIR).resolve()
    try:
        match arguments:
            case ["run"]:
                return run(data_dir, settings.PORT)
            case ["cluster"]:
                return run_cluster(data_dir / "cluster", settings.PORT)
            case ["exec", "--", *command] if command:
                beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
                environ = os.environ | provide(data_dir, os.environ) | {"PATH": beside}
                os.execvpe(command[0], command, environ)  # noqa: S606 - the developer's own command
            case ["stop"]:
                stop(data_dir)
                return 0
    except (EngineError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return _refused(f"Usage: {__doc__}")


def _refused(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
