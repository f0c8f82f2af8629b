"""Something else around the application that has sockio in it."""

from project.wsgi import application as inner


class Around:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        return self.app(environ, start_response)


application = Around(inner)
