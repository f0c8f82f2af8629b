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
  if (message.author !== null) item.append(element('b', message.author));
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

const chat = window.io && io.connect('/chat', { 'max reconnection attempts': Infinity, 'reconnection limit': 8000 });

if (chat) {
  chat.on('connect', () => {
    chat.emit('enter', slug, newest(), (answer) => {
      if (answer.error) {
        draw('down', answer.message);
        return;
      }
      draw('up', `Connected over ${chat.socket.transport.name}`);
      drawPeople(answer.people);
      answer.missed.forEach(show);
      waiting.forEach((_, key) => deliver(key));
    });
  });
  chat.on('message', show);
  chat.on('people', drawPeople);
  // Booted, after a log-out: the client does not come back by itself then.
  chat.on('disconnect', () => queueMicrotask(() => {
    if (chat.socket.reconnecting) draw('trying', 'Reconnecting');
    else draw('down', 'You were logged out. Reload to log in.');
  }));
  for (const failure of ['connect_failed', 'error']) {
    chat.on(failure, (reason) => {
      if (/unauthorized/.test(reason)) draw('down', 'You are not logged in any more. Reload to log in.');
      else if (!chat.socket.connected && !chat.socket.reconnecting) {
        draw('trying', 'The server does not answer yet');
        setTimeout(() => chat.socket.connect(), 2000);
      }
    });
  }
} else draw('down', 'The Socket.IO client did not load. See the README.');

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
  if (chat.socket.connected) deliver(key);
};
