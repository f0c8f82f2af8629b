// A server of Node's own with @socket.io/redis-adapter: `node server.js NODE_MODULES REDIS_PORT`.
//
// Its first line is its port. A line on stdin asks all servers that it knows by the adapter, and is
// answered by one of JSON: how many sockets they have, what they answered to an event, or the error.
'use strict';

const http = require('http');
const path = require('path');

const [, , modules, redis] = process.argv;
const load = (name) => require(path.join(modules, name));
const { Server } = load('socket.io');
const { createAdapter } = load('@socket.io/redis-adapter');
const Redis = load('ioredis');

const pub = new Redis(Number(redis));
const sub = pub.duplicate();
const server = http.createServer();
const io = new Server(server, { adapter: createAdapter(pub, sub, { requestsTimeout: 2000 }) });

io.on('connection', (socket) => socket.join('lobby'));

process.stdin.on('data', async () => {
  const answer = {};
  try {
    answer.sockets = (await io.fetchSockets()).length;
    answer.others = await io.serverSideEmitWithAck('anybody?');
    io.to('lobby').emit('said', 'by node');
  } catch (error) {
    answer.error = error.message;
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
process.stdin.on('end', () => process.exit(0));
server.listen(0, '127.0.0.1', () => process.stdout.write(`port ${server.address().port}\n`));
