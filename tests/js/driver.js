// The real socket.io-client, remote-controlled: JSON lines in on stdin, JSON lines out on stdout.
//
//     node driver.js /path/to/node_modules
//
// in   {"do": "connect", "name": "ada", "transport": "websocket", "url": "http://...", "options": {}}
//      {"do": "open", "name": "ada2", "of": "ada", "namespace": "/chat"}
//      {"do": "emit" | "send" | "json", "name": "ada", "args": [...], "times": 1, "ask": 7}
//      {"do": "answer", "name": "ada", "event": "question", "args": [...]}
//      {"do": "leave" | "rejoin" | "disconnect", "name": "ada"}
//      {"do": "forget all", "ask": 8}
//      and those of since_1_0.js, for later clients
// out  {"name": "ada", "event": "connect", "args": [...]}
//      {"ask": 7, "args": [...]}                       the answer to a line that had "ask"
//
// A name stands for one namespace of one connection. Every event that its listeners would get is
// reported, whatever it is called, so that "nothing came" can be seen as well. `times` repeats with
// the number of the repetition as last argument. "answer" says what to acknowledge an event with.
'use strict';

const http = require('http');
const path = require('path');
const readline = require('readline');

const since10 = require('./since_1_0.js');

const modules = process.argv[2];
const io = require(path.join(modules, 'socket.io-client'));

const namespaces = new Map();

function report(line) {
  // Escaped, so that no separator of lines but our own is in the output.
  const text = JSON.stringify(since10.pack(line)).replace(/[\u007f-\uffff]/g,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
  process.stdout.write(`${text}\n`);
}

function watch(name, namespace) {
  const answers = new Map();
  const listeners = namespace.$emit; // what the client calls for each thing that happens
  namespace.$emit = function reported(event, ...args) {
    const acknowledge = typeof args[args.length - 1] === 'function' ? args.pop() : null;
    const line = { name, event, args };
    if (event === 'connect' || event === 'reconnect') {
      line.sid = namespace.socket.sessionid;
      line.transport = namespace.socket.transport.name;
    }
    report(line);
    if (acknowledge && answers.has(event)) acknowledge(...answers.get(event));
    return listeners.call(namespace, event, ...args);
  };
  namespaces.set(name, { namespace, answers });
}

function repeat({ args = [], times = 1, ask }, say) {
  if (ask !== undefined) {
    say(...args, (...answer) => report({ ask, args: answer }));
  } else if (times === 1) {
    say(...args);
  } else {
    for (let number = 0; number < times; number += 1) say(...args, number);
  }
}

const commands = {
  connect({ name, transport, url, options }) {
    // The option `transports` would be merged into this list, index by index, and change little.
    io.transports = [transport];
    watch(name, io.connect(url, { 'force new connection': true, reconnect: false, ...options }));
  },

  open({ name, of, namespace }) {
    watch(name, namespaces.get(of).namespace.socket.of(namespace));
  },

  emit({ name, ...rest }) {
    const { namespace } = namespaces.get(name);
    repeat(rest, (...args) => namespace.emit(...args));
  },

  send({ name, ...rest }) {
    const { namespace } = namespaces.get(name);
    repeat(rest, (...args) => namespace.send(...args));
  },

  json({ name, ...rest }) {
    const { namespace } = namespaces.get(name);
    repeat(rest, (...args) => namespace.json.send(...args));
  },

  answer({ name, event, args }) {
    namespaces.get(name).answers.set(event, args);
  },

  // The client has no word for entering a namespace again that it has left, but sends the packet.
  rejoin({ name }) {
    const { namespace, manager } = namespaces.get(name);
    if (manager) namespace.connect();
    else namespace.packet({ type: 'connect' });
  },

  leave({ name }) {
    namespaces.get(name).namespace.disconnect();
  },

  disconnect({ name }) {
    const { namespace, manager } = namespaces.get(name);
    (manager || namespace.socket).disconnect();
  },

  // The end of a test: nothing is reported any more, nobody comes back, every connection is closed.
  'forget all': function forgetAll({ ask }) {
    namespaces.forEach((each) => {
      if (each.manager) {
        since10.forget(each);
        return;
      }
      const { socket } = each.namespace;
      Object.values(socket.namespaces).forEach((one) => { one.$emit = () => {}; });
      socket.options.reconnect = false;
      socket.reconnecting = false;
      clearTimeout(socket.reconnectionTimer);
      clearTimeout(socket.connectTimeoutTimer);
      try {
        socket.disconnect();
      } catch (error) {
        // Its websocket was being closed from the other side.
      }
    });
    namespaces.clear();
    const { globalAgent } = http;
    (function closeWhenIdle() {
      if (Object.keys(globalAgent.sockets).length > 0) {
        setTimeout(closeWhenIdle, 1);
      } else {
        globalAgent.destroy(); // kept connections
        report({ ask, args: [] });
      }
    }());
  },
};
Object.assign(commands, since10.make(modules, namespaces, report));

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line, since10.unpack);
  commands[command.do](command);
});
report({ ready: process.version });
