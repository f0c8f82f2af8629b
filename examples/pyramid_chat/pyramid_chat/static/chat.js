// The page's side of the chat, over the ordinary Socket.IO client (`io`), 3.x or 4.x.
//
//   to the server, each with an ack              from the server
//   "enter room"     name, id of the last known  "welcome"   {rooms: [name, …], people: {name: [room, …]}}
//   "older messages" name, id of the oldest      "message"   {id, room, author, text, time}
//   "open room"      name                        "activity"  name of a room that somebody wrote in
//   "user message"   name, text, key             "room"      name of a new room
//                                                "presence"  name of a person, [room, …]; [] is gone
//
// A message without an author comes from the chat itself; one without a room is for every room. An
// ack with `error` and `message` says no. Whatever people wrote gets into the page as text only.

const { me, lobby, resource, maxMessage, announcePath, csrfToken } = document.body.dataset;
const SHOWN = 400; // messages kept on the page; those that go can be loaded again
const SAME_BREATH = 300; // seconds within which messages of one author share one head
const TRANSPORTS = ['websocket', 'polling']; // those of the client that a page of its own can choose

const at = (selector) => document.querySelector(selector);
const [scroll, messages, waiting, older] = ['#scroll', '#messages', '#waiting', '#older'].map(at);
const [form, box, send] = ['#write', '#write textarea', '#write .main-button'].map(at);

let namespace; // the client's side of "/chat"
let up = false;
let over = false; // logged out or thrown out: no news from the connection matters any more

let rooms = [lobby];
let room = decodeURIComponent(location.hash.slice(1)) || lobby;
let people = new Map(); // who is online -> the rooms they are in
const news = new Set(); // rooms with something unread
const drafts = new Map();
let known = []; // the messages on the page, oldest first
let more = false; // whether the room has older ones
let entered = false; // until we are in the room, what arrives will also be in the answer to entering

// Messages on their way: key -> {room, text, item}. The key lets the server recognise one that is
// sent a second time, because the connection broke before the answer came.
const outgoing = new Map();

// ---- Drawing

const day = new Intl.DateTimeFormat(undefined, { dateStyle: 'full' });
const minute = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });
const dayOf = ({ time }) => day.format(new Date(time * 1000));

function dressFace(face, name) {
  face.textContent = [...name][0].toUpperCase();
  const hue = [...name].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 360, 0);
  face.style.setProperty('--hue', hue);
}

function itemOf({ author, text, time, room: where }, before) {
  const item = at('#message-form').content.firstElementChild.cloneNode(true);
  const when = item.querySelector('time');
  item.querySelector('.said').textContent = text;
  when.textContent = minute.format(new Date(time * 1000));
  when.dateTime = new Date(time * 1000).toISOString();
  if (author === null) item.className = where === null ? 'system announcement' : 'system';
  else {
    item.querySelector('b').textContent = author;
    dressFace(item.querySelector('.face'), author);
    if (before?.author === author && time - before.time < SAME_BREATH) item.className = 'more';
  }
  return item;
}

/** The items of some messages in a row, with a line wherever a day begins. */
function itemsOf(list, before) {
  return list.flatMap((message, index) => {
    const previous = index ? list[index - 1] : before;
    if (previous && dayOf(previous) === dayOf(message)) return [itemOf(message, previous)];
    const line = document.createElement('li');
    line.className = 'day';
    line.textContent = dayOf(message);
    return [line, itemOf(message)];
  });
}

let atEnd = true; // whether the newest message is in sight, or was before there was less room

function toEnd() {
  scroll.scrollTop = scroll.scrollHeight;
  atEnd = true;
  at('#newer').hidden = true;
}

function drawOlder() {
  older.hidden = !more;
  at('#beginning').hidden = more || !known.length;
}

/** All messages anew, and nothing said about it: for a screen reader they are no news. */
function drawMessages() {
  scroll.ariaLive = 'off';
  messages.replaceChildren(...itemsOf(known));
  drawOlder();
  requestAnimationFrame(() => { scroll.ariaLive = 'polite'; });
}

/** Puts messages that are newer than all on the page below them. */
function add(fresh) {
  const last = known.at(-1);
  const wanted = fresh.filter(({ id }) => !last || id > last.id);
  const follow = atEnd || wanted.some(({ author }) => author === me);
  known.push(...wanted);
  messages.append(...itemsOf(wanted, last));
  if (follow && known.length > SHOWN) {
    known = known.slice(-SHOWN / 2);
    more = true;
    drawMessages();
  }
  drawOlder();
  if (follow) toEnd();
  else if (wanted.length) at('#newer').hidden = false;
}

function drawRooms() {
  at('#rooms').replaceChildren(...rooms.map((name) => {
    const [item, button, label] = ['li', 'button', 'span'].map((tag) => document.createElement(tag));
    label.className = 'cut';
    label.textContent = name;
    button.append(label);
    if (name === room) button.ariaCurrent = 'true';
    else if (news.has(name)) {
      button.className = 'news';
      const dot = document.createElement('span');
      dot.className = 'dot';
      dot.role = 'img';
      dot.ariaLabel = 'unread messages';
      button.append(dot);
    }
    button.onclick = () => go(name);
    item.append(button);
    return item;
  }));
  at('#room-name').textContent = room;
  document.title = `${news.size ? '• ' : ''}${room} · Pyramid chat`;
  box.placeholder = `Write in ${room}`;
}

function drawPeople() {
  const sorted = [...people.keys()].sort((one, other) => one.localeCompare(other));
  at('#people').replaceChildren(...sorted.map((name) => {
    const [item, face, label, place] = ['li', 'span', 'span', 'small'].map((tag) => document.createElement(tag));
    face.className = 'face';
    face.ariaHidden = 'true';
    dressFace(face, name);
    label.className = place.className = 'cut';
    label.textContent = name;
    place.textContent = name === me ? 'you' : [...new Set(people.get(name))].join(', ');
    item.append(face, label, place);
    return item;
  }));
  const here = sorted.filter((name) => people.get(name).includes(room));
  at('#room-people').textContent = up && here.length ? `here: ${here.join(', ')}` : '';
}

/** `state` is one of: up, trying, down. */
function drawWire(state, text) {
  up = state === 'up';
  document.body.dataset.wire = state;
  at('#wire').textContent = text;
  size();
  drawPeople();
}

function notice(text, link) {
  at('#notice').hidden = !text;
  at('#notice').textContent = text;
  if (link) at('#notice').append(Object.assign(document.createElement('a'), { href: '', textContent: link }));
}

// ---- Rooms

function go(name) {
  if (!up || name === room) return;
  drafts.set(room, box.value);
  box.value = drafts.get(name) ?? '';
  at('#write-refusal').textContent = '';
  room = name;
  known = [];
  more = entered = false;
  news.delete(name);
  window.history.replaceState(null, '', `#${encodeURIComponent(name)}`);
  at('#side').hidePopover();
  drawRooms();
  drawMessages();
  drawWaiting();
  size();
  enter();
  if (matchMedia('(min-width: 761px)').matches) box.focus();
}

/** Takes our place in the room, and takes over what was written there meanwhile. */
function enter() {
  const last = known.at(-1)?.id ?? 0;
  const wanted = room;
  namespace.emit('enter room', wanted, last, (answer) => {
    if (wanted !== room) return;
    if (answer.error) {
      if (room !== lobby) go(lobby); // from an old link, or the database is another one
      return;
    }
    entered = true;
    if (answer.more || !known.length) {
      // The first visit, or so much was missed that it does not join up: start from the newest.
      ({ messages: known, more } = answer);
      drawMessages();
      toEnd();
    } else add(answer.messages);
  });
}

older.onclick = () => {
  const wanted = room;
  namespace.emit('older messages', room, known[0].id, (answer) => {
    if (answer.error || wanted !== room) return;
    const fromEnd = scroll.scrollHeight - scroll.scrollTop;
    known.unshift(...answer.messages);
    more = answer.more;
    drawMessages();
    scroll.scrollTop = scroll.scrollHeight - fromEnd; // what was being read stays where it was
  });
};

at('#open-room').onsubmit = (event) => {
  event.preventDefault();
  const [field, refusal] = [event.target.elements[0], at('#open-room-refusal')];
  if (!up || !field.value.trim()) return;
  namespace.emit('open room', field.value, (answer) => {
    refusal.textContent = answer.message ?? '';
    if (answer.error) return;
    field.value = '';
    go(answer);
  });
};
at('#open-room').oninput = () => { at('#open-room-refusal').textContent = ''; };

// ---- Writing

/** Fits the box to its text, and says when that becomes too long. */
function size() {
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight + 2}px`;
  const { length } = [...box.value.trim()]; // characters, as the server counts them
  send.disabled = !up || !length;
  at('#counter').textContent = length > maxMessage * 0.8 ? `${length} of ${maxMessage}` : '';
  at('#counter').classList.toggle('over', length > maxMessage);
}

function drawWaiting() {
  const here = [...outgoing.values()].filter((message) => message.room === room);
  waiting.replaceChildren(...here.map(({ text, time }) => itemOf({ author: me, text, time, room })));
}

function deliver(key, { room: where, text }) {
  namespace.emit('user message', where, text, key, (answer) => {
    outgoing.delete(key);
    drawWaiting();
    if (where !== room) return;
    if (answer.error) {
      // Back to where it was written, to be mended.
      if (!box.value) box.value = text;
      at('#write-refusal').textContent = answer.message;
      size();
    } else add([answer]);
  });
}

form.onsubmit = (event) => {
  event.preventDefault();
  const text = box.value.trim();
  if (!up || !text) return;
  box.value = '';
  at('#write-refusal').textContent = '';
  size();
  const key = [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join('-');
  const message = { room, text, time: Date.now() / 1000 };
  outgoing.set(key, message);
  drawWaiting();
  toEnd();
  deliver(key, message);
  box.focus();
};
box.oninput = size;
box.onkeydown = (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  form.requestSubmit();
};
at('#newer').onclick = toEnd;
scroll.onscroll = () => {
  atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
  if (atEnd) at('#newer').hidden = true;
};
new ResizeObserver(() => atEnd && toEnd()).observe(scroll);

// ---- Announcing: not over the socket, but by an ordinary request to an ordinary view

const dialog = at('#announcing');
if (dialog) {
  const [text, refusal] = [dialog.querySelector('textarea'), dialog.querySelector('.refusal')];
  at('#announce').onclick = () => dialog.showModal();
  dialog.querySelector('form').onsubmit = async (event) => {
    if (event.submitter.value === 'no') return;
    event.preventDefault();
    const answer = await fetch(announcePath, {
      method: 'POST', headers: { 'X-CSRF-Token': csrfToken }, body: new URLSearchParams({ text: text.value }),
    }).catch(() => null);
    if (answer?.ok) {
      text.value = '';
      dialog.close();
    }
    refusal.textContent = answer?.ok ? '' : (answer?.status === 400 && await answer.text()) || 'It could not be sent.';
  };
}

// ---- The connection

function end(text, link) {
  over = true;
  namespace?.disconnect();
  drawWire('down', 'Not connected');
  notice(text, link);
}

/** Whether the login has ended. Of a handshake that was refused, a websocket learns no reason. */
async function loggedOut() {
  const page = await fetch(location.pathname, { redirect: 'manual' }).catch(() => null);
  return page?.type === 'opaqueredirect'; // to the login
}

function connect() {
  const forced = new URLSearchParams(location.search).get('transport');
  const select = at('#transport');
  for (const name of new Set([...TRANSPORTS, ...(forced ? [forced] : [])])) {
    select.append(new Option(name, name, false, name === forced));
  }
  select.onchange = () => { location.search = select.value ? `transport=${select.value}` : ''; };
  // Of a name that it does not know the client says nothing.
  if (forced && !TRANSPORTS.includes(forced)) {
    end(`There is no transport ${forced}.`);
    return;
  }

  namespace = io('/chat', { path: `/${resource}`, transports: forced ? [forced] : ['polling', 'websocket'] });
  const manager = namespace.io; // the connection below, which knows its transport
  const carried = () => `Connected over ${manager.engine.transport.name}`;

  // From polling to a websocket, before or after we are welcome.
  namespace.on('connect', () => manager.engine.once('upgrade', () => up && drawWire('up', carried())));

  namespace.on('welcome', (welcome) => {
    rooms = welcome.rooms;
    people = new Map(Object.entries(welcome.people));
    drawWire('up', carried());
    notice('');
    drawRooms();
    enter();
    outgoing.forEach((message, key) => deliver(key, message)); // what was not answered before
  });

  namespace.on('message', (message) => {
    if (entered && (message.room === room || message.room === null)) add([message]);
  });
  namespace.on('activity', (name) => {
    if (name === room || news.has(name)) return;
    news.add(name);
    drawRooms();
  });
  namespace.on('room', (name) => {
    if (!rooms.includes(name)) rooms.push(name);
    drawRooms();
  });
  namespace.on('presence', (name, where) => {
    if (where.length) people.set(name, where);
    else people.delete(name);
    drawPeople();
  });

  // Whatever else ended it, the client comes back by itself.
  namespace.on('disconnect', (reason) => {
    entered = false;
    if (over) return;
    if (reason === 'io server disconnect') end('You were logged out.', 'Log in');
    else {
      drawWire('trying', 'Reconnecting');
      notice('The connection is lost. It comes back by itself; what you write is kept.');
    }
  });
  // `active`: the client tries again. Otherwise the namespace has refused us.
  namespace.on('connect_error', async () => {
    const refused = !namespace.active || await loggedOut();
    if (over) return;
    if (refused) end('You are not logged in any more.', 'Log in');
    else if (at('#notice').hidden) notice('The server does not answer yet.');
  });
}

drawRooms();
drawWire('trying', 'Connecting');
matchMedia('(max-width: 760px)').onchange = () => at('#side').hidePopover();
if (window.io?.Manager) connect();
else {
  drawWire('down', 'Not connected');
  notice('The Socket.IO client did not load, or is none of 3.x and 4.x. Install it next to development.ini: '
    + 'npm install --prefix . socket.io-client@4');
}
