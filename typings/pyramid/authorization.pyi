from collections.abc import Iterable

Allow: str
Deny: str
Everyone: str
Authenticated: str

class PermitsResult(int): ...

class ACLHelper:
    def permits(
        self, context: object, principals: Iterable[str], permission: str
    ) -> PermitsResult: ...
