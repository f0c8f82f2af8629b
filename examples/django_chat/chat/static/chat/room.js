// One room, in one page.
//
// sent      enter(slug, after) -> {people, missed}     say(text, key) -> the message, stored
// received  message({id, author, text, time})          people([names])
//
// What is answered {error, message} was refused.
'use strict';

const room = document.querySelector('.room');
const { room: slug, me, login } = room.dataset;
const list = document.getElementById('messages');
const wire = document.getElementById('wire');
const refusal = document.getElementById('refusal');
const form = document.getElementById('write');
const input = form.querySelector('input');
const chosen = new URLSearchParams(location.search).get('transport'); // ?transport=polling

// What was sent and not answered, by key: it is sent again after a reconnection, and stored once.
const waiting = new Map();

function element(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function newest() {
  return Math.max(0, ...[...list.children].map((item) => Number(item.dataset.id) || 0));
}

function show(message) {
  if (list.querySelector(`[data-id="${message.id}"]`)) return;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const item = element('li', '', message.author === null ? 'house' : message.author === me ? 'mine' : '');
  item.dataset.id = message.id;
  if (message.author !== null) item.append(element('b', message.author), ' ');
  const time = element('time', new Date(message.time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
  time.dateTime = message.time;
  item.append(time, element('p', message.text));
  // By their numbers, however they came.
  const after = [...list.children].find((other) => Number(other.dataset.id) > message.id);
  list.insertBefore(item, after || list.querySelector('.waiting'));
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function draw(state, text) {
  wire.dataset.state = state;
  wire.textContent = text;
}

function drawPeople(names) {
  document.getElementById('people').textContent = names.length ? `Here: ${names.join(', ')}` : '';
}

function deliver(key) {
  const { text, item } = waiting.get(key);
  chat.emit('say', text, key, (answer) => {
    if (!waiting.delete(key)) return;
    item.remove();
    refusal.textContent = answer.error ? answer.message : '';
    if (answer.error) input.value = input.value || text;
    else show(answer);
  });
}

for (const time of list.querySelectorAll('time')) {
  time.textContent = new Date(time.dateTime).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
for (const item of list.children) {
  const author = item.querySelector('b');
  if (author && author.textContent === me) item.classList.add('mine');
}
list.scrollTop = list.scrollHeight;

// Of sockio's own script, which knows where the endpoint is; the options are those of the client.
const chat = window.io?.Manager && io('/chat', { transports: chosen ? [chosen] : ['polling', 'websocket'] });

if (chat) {
  const manager = chat.io; // the connection below, which knows its transport
  const carried = () => `Connected over ${manager.engine.transport.name}`;
  chat.on('connect', () => {
    // From polling to a websocket, before or after the answer.
    manager.engine.once('upgrade', () => wire.dataset.state === 'up' && draw('up', carried()));
    chat.emit('enter', slug, newest(), (answer) => {
      if (answer.error) {
        draw('down', answer.message);
        return;
      }
      draw('up', carried());
      drawPeople(answer.people);
      answer.missed.forEach(show);
      waiting.forEach((_, key) => deliver(key));
    });
  });
  chat.on('message', show);
  chat.on('people', drawPeople);
  // Whatever else ended it, the client comes back by itself.
  chat.on('disconnect', (reason) => {
    if (reason === 'io server disconnect') draw('down', 'You were logged out. Reload to log in.');
    else draw('trying', 'Reconnecting');
  });
  // `active`: the client tries again. Otherwise recv_connect has refused us.
  chat.on('connect_error', () => {
    if (!chat.active) draw('down', 'You are not logged in any more. Reload to log in.');
    else draw('trying', 'The server does not answer yet');
  });
} else draw('down', 'The Socket.IO client did not load, or is none of 3.x and 4.x. See the README.');

form.onsubmit = (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text || !chat) return;
  const item = element('li', '', 'mine waiting');
  item.append(element('b', me), element('p', text));
  list.append(item);
  list.scrollTop = list.scrollHeight;
  const key = `${Date.now()}-${Math.random().toString(36).slice(2)}`;
  waiting.set(key, { text, item });
  input.value = '';
  refusal.textContent = '';
  if (chat.connected) deliver(key);
};
