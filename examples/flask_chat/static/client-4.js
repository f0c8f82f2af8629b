// The chat's connection with socket.io-client 3.x and 4.x; client-0.9.js is the same for 0.9.

import { start } from './chat.js';

const transports = ['websocket', 'polling'];

function open(resource, transport, events) {
  // Of a name that it does not know the client says nothing.
  if (transport && !transports.includes(transport)) events.noTransport();
  const socket = io('/chat', {
    path: `/${resource}`,
    transports: transport ? [transport] : ['polling', 'websocket'],
    reconnectionDelayMax: 8000, // ms between two attempts
  });
  const manager = socket.io; // shared by all namespaces; it knows the transport
  let wasOpen = false;

  socket.on('connect', () => {
    wasOpen = true;
    events.open(manager.engine.transport.name);
    manager.engine.once('upgrade', ({ name }) => events.moved(name));
  });

  // Whatever else ended it, the client comes back by itself.
  socket.on('disconnect', (reason) => {
    if (reason === 'io server disconnect') events.ended();
    else if (reason !== 'io client disconnect') events.lost();
  });

  // `active`: nobody answered, or not as expected, and the client tries again. Otherwise the
  // namespace was refused, with a text of the server's.
  socket.on('connect_error', (error) => {
    if (!socket.active) events.refused(error.message);
    else if (!wasOpen) events.unreachable();
  });
  manager.on('reconnect_attempt', (attempt) => wasOpen && events.retrying(attempt));

  return { socket, stop: () => socket.disconnect() };
}

start({
  version: '4.x',
  fits: Boolean(window.io?.Manager),
  transports,
  open,
});
