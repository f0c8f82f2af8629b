// Two people in the Flask chat, each a real socket.io-client with a login of its own.
//
//     node chat_driver.js http://127.0.0.1:8080 /path/to/node_modules ADA BOB
//
// ADA and BOB are the client of each and its transport: 0.9/xhr-polling, or 4.x/websocket.
//
// Prints one JSON object: what each step gave. It asserts nothing, that is the caller's part; it
// only waits for each thing before it does the next, so a missing event ends in the caller's timeout.
'use strict';

const http = require('http');
const path = require('path');

const [base, modules, placeOfAda, placeOfBob] = process.argv.slice(2);
const io = require(path.join(modules, 'socket.io-client'));
const newIo = require(path.join(modules, 'socket.io-client-4.8.4'));

// ---- Logging in, and the cookie at the handshake

const cookies = {}; // nickname -> Cookie header

function fetchPage(method, where, { body, cookie } = {}) {
  return new Promise((resolve, reject) => {
    const headers = {};
    if (cookie) headers.Cookie = cookie;
    if (body) headers['Content-Type'] = 'application/x-www-form-urlencoded';
    const request = plainRequest(base + where, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => { text += chunk; });
      response.on('end', () => resolve({
        status: response.statusCode,
        location: response.headers.location,
        cookie: (response.headers['set-cookie'] || []).map((one) => one.split(';')[0]).join('; '),
        text,
      }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function login(nickname) {
  const answer = await fetchPage('POST', '/login', { body: `nickname=${encodeURIComponent(nickname)}` });
  if (answer.cookie) cookies[nickname] = answer.cookie;
  return answer;
}

// A browser sends the cookie by itself. The client's XMLHttpRequest for node cannot be told to, so
// it goes in one level below: each connection names its person in the query (`?who=ada`), and the
// handshake, only the handshake, gets the cookie of that person.
const plainRequest = http.request;
http.request = function request(options, ...rest) {
  const where = new URL(options.path || '/', base);
  if (where.pathname.replace(/\/$/, '') === '/socket.io/1') {
    const cookie = cookies[where.searchParams.get('who')];
    if (cookie) options.headers.Cookie = cookie;
  }
  return plainRequest.call(http, options, ...rest);
};

// ---- A person: a connected client whose events can be waited for, in the order they came

class Person {
  constructor(nickname, place) {
    this.arrived = [];
    this.waiting = [];
    const [client, transport] = place.split('/');
    if (client === '4.x') this.openNew(nickname, transport);
    else this.openOld(nickname, transport);
    for (const event of ['joined', 'left', 'typing', 'user message', 'rooms', 'disconnect']) {
      this.chat.on(event, (...args) => this.take(event, args));
    }
  }

  openOld(nickname, transport) {
    // The option `transports` would be merged into this list, index by index, and change little.
    io.transports = [transport];
    this.chat = io.connect(`${base}/chat?who=${nickname}`, {
      'force new connection': true, reconnect: false,
    });
    this.transport = () => this.chat.socket.transport.name;
  }

  openNew(nickname, transport) {
    this.chat = newIo(`${base}/chat`, {
      transports: [transport],
      extraHeaders: { Cookie: cookies[nickname] || '' },
      forceNew: true,
      reconnection: false,
    });
    this.transport = () => this.chat.io.engine.transport.name;
  }

  take(event, args) {
    const index = this.waiting.findIndex((waiter) => waiter.event === event && waiter.fits(...args));
    if (index < 0) this.arrived.push({ event, args });
    else this.waiting.splice(index, 1)[0].resolve(args[0]);
  }

  /** The next event of this name for which `fits` is true, come already or still to come. */
  next(event, fits = () => true) {
    const index = this.arrived.findIndex((one) => one.event === event && fits(...one.args));
    if (index >= 0) return Promise.resolve(this.arrived.splice(index, 1)[0].args[0]);
    return new Promise((resolve) => this.waiting.push({ event, fits, resolve }));
  }

  connected() {
    return new Promise((resolve, reject) => {
      this.chat.on('connect', () => resolve(this.transport()));
      // 4.x: what the server answered is known of a poll alone.
      this.chat.on('connect_error', (error) => {
        reject(new Error(`error: ${error.context?.responseText}`));
      });
      this.chat.on('connect_failed', (reason) => reject(new Error(`refused: ${reason}`)));
      this.chat.on('error', (reason) => reject(new Error(`error: ${reason}`)));
    });
  }

  /** Says goodbye. Not while a POST is under way: the client would keep the packet, and forget it. */
  leave() {
    const { socket } = this.chat;
    if (!socket) this.chat.disconnect(); // 4.x
    else if (socket.doBuffer) setImmediate(() => this.leave());
    else socket.disconnect();
  }

  ask(event, ...args) {
    return new Promise((resolve) => this.chat.emit(event, ...args, resolve));
  }
}

// ---- The conversation

async function run() {
  const seen = {};

  seen.stranger = await new Person('stranger', placeOfAda).connected().catch((error) => error.message);

  seen.ada_login = await login('Ada');
  const ada = new Person('Ada', placeOfAda);
  seen.ada_transport = await ada.connected();
  seen.ada_lobby = await ada.ask('join room', 'lobby');
  seen.taken = (await login('ada')).status;

  await login('bob');
  const bob = new Person('bob', placeOfBob);
  seen.bob_transport = await bob.connected();
  seen.bob_lobby = await bob.ask('join room', 'lobby');
  seen.joined = await ada.next('joined');

  const text = 'Grüße ☃ 🎈 "1+1" \\ <b>\u2028 x\nnext line';
  seen.text = text;
  seen.said = await ada.ask('user message', 'lobby', text);
  seen.heard = await bob.next('user message');

  bob.chat.emit('typing', 'lobby', true);
  seen.typing = await ada.next('typing');
  seen.too_long = await ada.ask('user message', 'lobby', 'x'.repeat(1001));
  seen.not_in_room = await ada.ask('user message', 'tea', 'hello?');
  seen.not_text = await ada.ask('user message', 'lobby', { length: 3 });
  seen.wrong_arity = await ada.ask('user message', 'lobby');

  seen.tea = await bob.ask('join room', '  tea ');
  seen.rooms = await ada.next('rooms', (all) => all.length === 2);
  seen.said_in_tea = await bob.ask('user message', 'tea', 'alone');
  seen.ada_tea = await ada.ask('join room', 'tea');
  await bob.next('joined', ({ room }) => room === 'tea');
  seen.ada_leaves_tea = await ada.ask('leave room', 'tea');
  seen.left_tea = await bob.next('left');
  seen.leave_lobby = await bob.ask('leave room', 'lobby');

  ada.arrived = ada.arrived.filter(({ event }) => event !== 'rooms'); // what comes now is the news
  bob.leave();
  seen.left = await ada.next('left', ({ room }) => room === 'lobby');
  seen.rooms_after = await ada.next('rooms', (all) => all.length === 1);
  seen.ada_heard_herself = ada.arrived.some(({ event }) => event === 'user message');

  seen.logout = (await fetchPage('POST', '/logout', { cookie: cookies.Ada })).location;
  await ada.next('disconnect');
  seen.thrown_out = true;
  seen.free_again = (await login('ADA')).status;
  return seen;
}

run().then(
  (seen) => { console.log(JSON.stringify(seen)); process.exit(0); },
  (error) => { console.error(error); process.exit(1); },
);
