from typing import Any

class Registry(dict[str, Any]):
    settings: dict[str, Any] | None
