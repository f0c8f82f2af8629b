import gevent
import gevent.event
from django.db import connection, transaction
from django.utils.translation import gettext

from rooms.models import Room
from sockio import BaseNamespace, BroadcastMixin, RoomsMixin
from sockio.integrations.django import fresh_context, namespace, open_session


@namespace("/rooms")
class RoomsNamespace(BaseNamespace, RoomsMixin, BroadcastMixin):
    def on_whoami(self):
        user = self.request.user
        return [user.username, user.is_authenticated]

    def on_create(self, name):
        return Room.objects.create(name=name).name

    def on_count(self):
        return Room.objects.count()

    def on_connection(self):
        """Which connection this event has, while another of the same process has one too."""
        connection.ensure_connection()
        mine = id(connection.connection)
        gevent.sleep(0.05)
        return [mine, connection.connection is not None and id(connection.connection) == mine]

    def on_create_slowly(self, name):
        with transaction.atomic():
            Room.objects.create(name=name)
            gevent.sleep(0.2)
            transaction.set_rollback(True)
        return True

    def on_fail(self):
        Room.objects.count()
        raise RuntimeError("after a query")

    def on_query_in_a_task(self):
        done = gevent.event.AsyncResult()

        def query():
            with fresh_context():
                done.set(Room.objects.count())

        self.spawn(query)
        return done.get() >= 0

    def on_query_in_a_spawned_task(self):
        """Whether its connection is closed behind it."""
        used = []

        def query():
            used.append(Room.objects.count() >= 0)
            used.append(connection.connection)

        task = self.spawn(query)
        task.join()
        queried, raw = used
        try:
            raw.execute("SELECT 1")
        except Exception as closed:
            return [queried, "closed" in str(closed)]
        return [queried, False]

    def on_yes(self):
        return gettext("Yes")

    def on_remember(self, value):
        with open_session(self.request) as session:
            session["remembered"] = value
        return True

    def on_recall(self):
        with open_session(self.request) as session:
            return session.get("remembered")


@namespace("/staff")
class StaffNamespace(BaseNamespace):
    def recv_connect(self):
        return self.request.user.is_staff
