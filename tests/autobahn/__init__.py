"""Raw websockets as Autobahn's fuzzing client sees them: ``nox -s autobahn``."""
