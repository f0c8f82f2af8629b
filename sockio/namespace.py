"""``BaseNamespace`` by the ancestor's address of it."""

from __future__ import annotations

from .namespaces.handlers import concurrent
from .namespaces.namespace import BaseNamespace, allow, limit, on

__all__ = ["BaseNamespace", "allow", "concurrent", "limit", "on"]
