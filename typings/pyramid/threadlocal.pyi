from .registry import Registry
from .request import Request

# Also None, and another than the application's, where nothing is under way: not said here, as in
# every view and handler there is one.
def get_current_request() -> Request: ...
def get_current_registry() -> Registry: ...
