// The chat's connection with socket.io-client 0.7 to 0.9; client-4.js is the same for 3.x and 4.x.

import { start } from './chat.js';

const RETRY_FIRST_CONNECT_MS = 3000;

function open(resource, transport, events) {
  if (transport) io.transports = [transport];
  const socket = io.connect('/chat', {
    resource,
    'reconnection limit': 8000, // ms between two attempts, at most about twice this
    'max reconnection attempts': Infinity,
  });
  const connection = socket.socket; // shared by all namespaces; it knows the transport
  let stopped = false;

  socket.on('connect', () => events.open(connection.transport.name));

  socket.on('disconnect', (reason) => {
    // The server ended the namespace alone, or ("booted") everything; else it is tried again. "booted"
    // is also what the client says when the server, a new one maybe, does not know the session: it
    // tries again then, too, which shows a moment later.
    const alone = connection.connected;
    setTimeout(() => {
      if (alone || (reason === 'booted' && !connection.reconnecting)) events.ended();
      else events.lost();
    });
  });
  socket.on('reconnecting', (delay, attempt) => events.retrying(attempt));

  // The namespace was refused, for which there is one word; or no transport works.
  socket.on('connect_failed', (reason) => {
    if (reason === 'unauthorized') events.refused();
    else events.noTransport();
  });

  socket.on('error', () => {
    if (stopped || connection.connected || connection.reconnecting) return;
    // The very first handshake failed: the client gives up by itself, so we try again.
    events.unreachable();
    setTimeout(() => stopped || connection.connected || connection.connect(), RETRY_FIRST_CONNECT_MS);
  });

  // A websocket closes with its page. A poll does not, and the server would have to wait for its
  // close timeout before it could say that we left; so say goodbye.
  addEventListener('pagehide', () => {
    const { connected, transport: carrier, sessionid } = connection;
    if (!connected || carrier.name === 'websocket') return;
    fetch(`/${resource}/1/${carrier.name}/${sessionid}?disconnect=1`, { keepalive: true });
  });

  return {
    socket,
    stop() {
      stopped = true;
      connection.reconnecting = false; // the client offers no other way to call off its attempts
      connection.disconnect();
    },
  };
}

start({
  version: '0.9',
  fits: window.io?.protocol === 1,
  transports: window.io?.transports?.filter((name) => name !== 'flashsocket') ?? [],
  open,
});
