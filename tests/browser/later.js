// As page.js, for clients since 1.0. Bytes are {"$bytes": "base64"} in both directions.
'use strict';

const WAYS = {
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
  upgrade: { transports: ['polling', 'websocket'] },
  jsonp: { transports: ['polling'], forceJSONP: true },
};
const namespaces = new Map();

function pack(value) {
  if (value instanceof ArrayBuffer) {
    return { $bytes: btoa(String.fromCharCode(...new Uint8Array(value))) };
  }
  if (Array.isArray(value)) return value.map(pack);
  if (value instanceof Error) return value.data === undefined ? value.message : value.data;
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, pack(each)]));
  }
  return value === undefined ? null : value;
}

function unpack(value) {
  if (Array.isArray(value)) return value.map(unpack);
  if (value === null || typeof value !== 'object') return value;
  if ('$bytes' in value) {
    return Uint8Array.from(atob(value.$bytes), (one) => one.charCodeAt(0)).buffer;
  }
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, unpack(each)]));
}

function watch(name, socket) {
  const answers = new Map();
  const say = (event, ...args) => {
    const { engine } = socket.io;
    report(name, event, pack(args), socket.id || '', engine ? engine.transport.name : '');
  };
  socket.onevent = function reported({ data, id }) { // called for each event from the server
    const [event, ...args] = data;
    const acknowledge = id === undefined || id === null ? null : socket.ack(id);
    say(event, ...args);
    if (acknowledge && answers.has(event)) acknowledge(...answers.get(event));
  };
  socket.on('connect', () => say('connect'));
  socket.on('disconnect', (reason) => say('disconnect', reason));
  socket.on('error', (error) => say('error', error));
  socket.on('connect_error', (error) => say('connect_error', error.message, error.data));
  namespaces.set(name, { socket, answers });
  return say;
}

const commands = {
  connect(name, url, way, options) {
    const socket = io(url, { forceNew: true, reconnection: false, ...WAYS[way], ...options });
    const say = watch(name, socket);
    socket.io.engine.on('upgrade', (transport) => say('upgrade', transport.name));
  },

  open(name, other, namespace) {
    watch(name, namespaces.get(other).socket.io.socket(namespace));
  },

  emit(name, ...args) {
    namespaces.get(name).socket.emit(...unpack(args));
  },

  emitMany(name, event, times) {
    for (let number = 0; number < times; number += 1) namespaces.get(name).socket.emit(event, number);
  },

  ask(name, ...args) {
    return new Promise((resolve) => {
      namespaces.get(name).socket.emit(...unpack(args), (...answer) => resolve(pack(answer)));
    });
  },

  send(name, text) {
    namespaces.get(name).socket.send(text);
  },

  answer(name, event, args) {
    namespaces.get(name).answers.set(event, unpack(args));
  },

  disconnect(name) {
    namespaces.get(name).socket.disconnect();
  },
};
