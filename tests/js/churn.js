// Clients of every generation that come and go: `node churn.js NODE_MODULES URL COUNT`.
//
// Each is in the room of all, and keeps account of what it hears there: the numbers of each
// publisher, one by one. A line on stdin is answered by one on stdout, the account as JSON; after
// "rest" nobody goes any more, and whoever is cut off comes back.
'use strict';

const path = require('path');

const [, , modules, url, count] = process.argv;
const load = (name) => require(path.join(modules, name));
const LATER = ['1.7.4', '2.5.0', '3.1.3', '4.8.4'];
const WAYS = [['polling'], ['websocket'], ['polling', 'websocket']];
const old = load('socket.io-client');
const later = Object.fromEntries(LATER.map((each) => [each, load(`socket.io-client-${each}`)]));

let resting = false;
const slots = [];
const account = { heard: 0, wrong: [], lost: [], cut: 0, failed: 0, came: 0, connected: 0 };

function open(slot) {
  const socket = slot.version === '0.9'
    ? old.connect(url, {
      'force new connection': true, transports: [slot.ways], reconnect: false, 'try multiple transports': false,
    })
    : later[slot.version](url, { forceNew: true, transports: slot.ways, reconnection: false });
  const last = new Map();
  let over = false;
  slot.connected = false;
  function end(how) {
    if (over) return;
    over = true;
    if (slot.connected) account.connected -= 1;
    slot.connected = false;
    if (how) account[how] += 1;
    try { socket.disconnect(); } catch (error) { /* it has ended */ }
    setTimeout(() => open(slot), 100);
  }
  slot.leave = () => end('');
  socket.on('connect', () => {
    account.came += 1;
    account.connected += 1;
    slot.connected = true;
  });
  socket.on('number', (publisher, number) => {
    if (over) return;
    account.heard += 1;
    const before = last.get(publisher);
    last.set(publisher, number);
    if (before === undefined || number === before + 1) return;
    const list = number <= before ? account.wrong : account.lost;
    if (list.length < 20) list.push([slot.version, String(slot.ways), publisher, before, number]);
  });
  for (const name of ['connect_error', 'connect_failed', 'error']) socket.on(name, () => end('failed'));
  socket.on('disconnect', () => end('cut'));
}

for (let number = 0; number < Number(count); number += 1) {
  const kind = number % 14;
  const slot = kind < 2
    ? { version: '0.9', ways: ['xhr-polling', 'websocket'][kind] }
    : { version: LATER[(kind - 2) % 4], ways: WAYS[Math.floor((kind - 2) / 4)] };
  slots.push(slot);
  setTimeout(() => open(slot), number * 5);
}

setInterval(() => {
  if (resting) return;
  const slot = slots[Math.floor(Math.random() * slots.length)];
  if (slot.connected) slot.leave();
}, 20);

process.stdin.on('data', (data) => {
  if (data.toString().includes('rest')) resting = true;
  process.stdout.write(`${JSON.stringify(account)}\n`);
});
process.stdin.on('end', () => process.exit(0));
