// The real @socket.io/redis-emitter: `node emitter.js NODE_MODULES SOCKET` publishes one of each
// kind of what it can, by a client of a few lines, and ends.
'use strict';

const net = require('net');
const path = require('path');

const [, , modules, socket] = process.argv;
const { Emitter } = require(path.join(modules, '@socket.io/redis-emitter'));

const connection = net.connect(socket);
let open = 0;
connection.on('data', (data) => {
  open -= data.toString().split('\r\n').length - 1;
  if (open === 0) connection.end();
});

const client = {
  publish(channel, message) {
    open += 1;
    const parts = ['PUBLISH', channel, message].map((each) => Buffer.from(each));
    connection.write('*3\r\n');
    for (const part of parts) {
      connection.write(`$${part.length}\r\n`);
      connection.write(part);
      connection.write('\r\n');
    }
  },
};

const io = new Emitter(client);
io.emit('news', { a: 1 }, [true, null, undefined], 'ünï', 1.5, -7, 2 ** 53);
io.to('one').volatile.emit('x', Buffer.from([0, 255]), new Uint8Array([1, 2]));
io.to(['one', 'two']).to(5).except('three').compress(true).emit('x', new Date(1700000000123));
io.of('/chat').to('a#b').emit('x', new Date(-1), new Date(2 ** 33 * 1000));
io.emit('x', NaN);
io.of('/chat').in('r1').except('r2').socketsJoin(['r9', 'r10']);
io.socketsLeave('r9');
io.in('r1').disconnectSockets(true);
io.disconnectSockets();
io.of('/chat').serverSideEmit('hello', 1, { a: 'b' });
