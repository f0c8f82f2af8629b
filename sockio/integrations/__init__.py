"""sockio at home in frameworks and servers. Nothing here is imported unless you import it."""
