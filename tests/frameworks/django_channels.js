// A page's life with channels: the real client, and the script that {% socketio %} adds to it.
//
//     node django_channels.js /path/to/node_modules http://127.0.0.1:9000 PACKAGE TRANSPORT
//
// Prints one JSON object: what each step gave.
'use strict';

const http = require('http');
const path = require('path');
const vm = require('vm');

const [modules, base, name, transport] = process.argv.slice(2);
const client = require(path.join(modules, name));
const window = { io: client };

function get(where) {
  return new Promise((resolve, reject) => {
    http.get(base + where, (response) => {
      let text = '';
      response.on('data', (chunk) => { text += chunk; });
      response.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

async function main() {
  const page = await get('/');
  const [, source, resource, url] = page.match(/src="([^"]*channels\.js)" data-resource="([^"]*)" data-url="([^"]*)"/);
  // As a browser runs it: with the attributes of its own <script>.
  const document = { currentScript: { dataset: { resource, url: url || base } } };
  vm.runInThisContext(`(function (window, document) {${await get(source)}\n})`)(window, document);

  client.transports = [transport]; // of 0.9
  const options = { 'force new connection': true, reconnect: false };
  if (typeof client === 'function') Object.assign(options, { forceNew: true, reconnection: false, transports: [transport] });
  const socket = window.io.connect('', options);
  const messages = [];
  const waiting = [];
  socket.on('message', (data) => (waiting.length ? waiting.shift()(data) : messages.push(data)));
  const next = () => new Promise((resolve) => {
    if (messages.length) resolve(messages.shift());
    else waiting.push(resolve);
  });
  const ask = (what, channel) => new Promise((resolve) => socket[what](channel, resolve));

  await new Promise((resolve, reject) => { socket.on('connect', resolve); socket.on('error', reject); });
  const seen = { transport: (socket.socket || socket.io.engine).transport.name };
  socket.send([1, 2]);
  seen.unbound = await next();
  seen.subscribed = await ask('subscribe', 'room-js');
  seen.again = await ask('subscribe', 'room-js');
  seen.refused = (await ask('subscribe', 'made up')).error;
  socket.send({ any: 'JSON' });
  seen.inRoom = await next();
  seen.unsubscribed = await ask('unsubscribe', 'room-js');
  socket.send('plain text');
  seen.text = await next();
  process.stdout.write(JSON.stringify(seen));
  process.exit(0);
}

main().catch((error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
