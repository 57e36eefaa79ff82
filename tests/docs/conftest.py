from tests.clients.conftest import typescript
from tests.flows.conftest import run_server

__all__ = ["run_server", "typescript"]
