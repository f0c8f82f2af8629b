"""Names of other libraries, over sockio: for applications that come over by one changed import."""

__all__: list[str] = []
