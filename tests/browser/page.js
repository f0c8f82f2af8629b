// What tests/browser/remote.py calls in the page. A name stands for one namespace of one connection;
// all that its listeners would get is reported, whatever the event, so that "nothing came" can be
// seen as well. `report` is given to the page by drive.py.
'use strict';

const namespaces = new Map();

function watch(name, namespace) {
  const answers = new Map();
  const listeners = namespace.$emit; // what the client calls for each thing that happens
  namespace.$emit = function reported(event, ...args) {
    const acknowledge = typeof args[args.length - 1] === 'function' ? args.pop() : null;
    const { sessionid, transport } = namespace.socket;
    report(name, event, args, sessionid || '', transport ? transport.name : '');
    if (acknowledge && answers.has(event)) acknowledge(...answers.get(event));
    return listeners.call(namespace, event, ...args);
  };
  namespaces.set(name, { namespace, answers });
}

const commands = {
  connect(name, url, transport, options) {
    // The option `transports` would be merged into this list, index by index, and change little.
    io.transports = [transport];
    watch(name, io.connect(url, { 'force new connection': true, reconnect: false, ...options }));
  },

  open(name, other, namespace) {
    watch(name, namespaces.get(other).namespace.socket.of(namespace));
  },

  emit(name, ...args) {
    namespaces.get(name).namespace.emit(...args);
  },

  emitMany(name, event, times) {
    for (let number = 0; number < times; number += 1) namespaces.get(name).namespace.emit(event, number);
  },

  ask(name, ...args) {
    return new Promise((resolve) => {
      // Until 0.7.2 the client asked for an answer only where the callback has parameters.
      namespaces.get(name).namespace.emit(...args, function answered(first) {
        resolve([...arguments]);
      });
    });
  },

  send(name, text) {
    namespaces.get(name).namespace.send(text);
  },

  sendJson(name, value) {
    namespaces.get(name).namespace.json.send(value);
  },

  allSent(name) {
    const { socket } = namespaces.get(name).namespace;
    return new Promise((resolve) => {
      (function look() {
        if (socket.doBuffer) setTimeout(look, 1);
        else resolve();
      }());
    });
  },

  answer(name, event, args) {
    namespaces.get(name).answers.set(event, args);
  },

  disconnect(name) {
    namespaces.get(name).namespace.socket.disconnect();
  },

  disconnectSync(name) {
    namespaces.get(name).namespace.socket.disconnectSync();
  },
};
