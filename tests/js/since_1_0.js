// Clients since 1.0 for driver.js, which has the commands that they share with 0.9.
//
// in   {"do": "join", "name": "ada", "version": "4.8.4", "url": "http://.../chat", "options": {}}
//      {"do": "join too", "name": "ada2", "of": "ada", "namespace": "/news", "options": {}}
//
// The version "4.8.4 msgpack" is that release with socket.io-msgpack-parser.
//
// `options` are the client's own. Beside the events from the server these are reported: connect,
// disconnect (the reason), connect_error (message and data), error (before 3.0: of a refusal),
// reconnect, upgrade (the transport's name). Bytes are {"$bytes": "base64"} in both directions.
'use strict';

const path = require('path');

/** JSON with bytes in it. */
function pack(value) {
  if (Buffer.isBuffer(value) || value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    return { $bytes: Buffer.from(value).toString('base64') };
  }
  if (Array.isArray(value)) return value.map(pack);
  if (value instanceof Error) return value.data === undefined ? value.message : value.data;
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, pack(each)]));
  }
  return value;
}

function unpack(key, value) {
  const bytes = value !== null && typeof value === 'object' && value.$bytes;
  return typeof bytes === 'string' ? Buffer.from(bytes, 'base64') : value;
}

function make(modules, namespaces, report) {
  function tell(name, socket, event, args) {
    const { engine } = socket.io;
    const transport = engine && engine.transport ? engine.transport.name : '';
    report({ name, event, args, sid: socket.id, transport });
  }

  function watch(name, socket) {
    const answers = new Map();
    const say = (event, ...args) => tell(name, socket, event, args);
    const hear = (event, args, acknowledge) => {
      say(event, ...args);
      if (acknowledge && answers.has(event)) acknowledge(...answers.get(event));
    };
    // What the client calls for each event from the server, as late as it can be caught.
    const { emitEvent } = socket;
    if (emitEvent) {
      socket.emitEvent = function reported(all) {
        const [event, ...args] = all;
        const acknowledge = typeof args[args.length - 1] === 'function' ? args.pop() : null;
        hear(event, args, acknowledge);
        emitEvent.call(socket, all);
      };
    } else {
      socket.onevent = function reported({ data, id }) {
        const [event, ...args] = data;
        hear(event, args, id === undefined || id === null ? null : socket.ack(id));
      };
    }
    socket.on('connect', () => say('connect'));
    socket.on('disconnect', (reason) => say('disconnect', reason));
    socket.on('error', (error) => say('error', error));
    socket.on('connect_error', (error) => say('connect_error', error.message, error.data));
    namespaces.set(name, { namespace: socket, answers, manager: socket.io });
  }

  return {
    join({ name, version, url, options }) {
      const [release, parser] = version.split(' ');
      const io = require(path.join(modules, `socket.io-client-${release}`));
      const own = { forceNew: true, reconnection: false };
      if (parser) own.parser = require(path.join(modules, `socket.io-${parser}-parser`));
      const socket = io(url, { ...own, ...options });
      watch(name, socket);
      const say = (event, ...args) => tell(name, socket, event, args);
      socket.io.on('reconnect', () => say('reconnect'));
      socket.io.engine.on('upgrade', (transport) => say('upgrade', transport.name));
    },

    'join too': function joinToo({ name, of, namespace, options }) {
      watch(name, namespaces.get(of).manager.socket(namespace, options));
    },
  };
}

/** Leave no trace of one connection. */
function forget({ namespace, manager }) {
  namespace.onevent = () => {};
  namespace.emitEvent = () => {};
  namespace.off();
  manager.off();
  manager.reconnection(false);
  manager.disconnect();
}

module.exports = { forget, make, pack, unpack };
