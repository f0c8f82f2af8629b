// The page's side of the chat. It speaks through the ordinary Socket.IO client, and builds the page
// with the DOM alone: whatever a person typed goes in as text, never as markup. What to emit and to
// listen to is the same for every client; how a connection begins and ends is not, and stands in
// client-4.js and client-0.9.js, which start what is below.
//
//   to the server, each answered through an ack     from the server
//   "join room"     name                            "rooms"         [{name, people: 2}, …]
//   "leave room"    name                            "joined"        {room, nickname, people: ["ada", …]}
//   "user message"  room, text                      "left"          {room, nickname, people: ["ada", …]}
//   "typing"        room, true or false (no ack)    "user message"  {id, room, nickname, text, time}
//                                                   "typing"        {room, nickname, active}
//                                                   "worker"        the process that has us, of several
//                                                   "taken"         why another has our nickname
//
// An ack that carries `error` and `message` says no, whether the chat wrote it or sockio itself.

const config = document.body.dataset;
const me = config.nickname;
const maxMessage = Number(config.maxMessage);

const KEPT_PER_ROOM = 300; // entries on screen; a page left open for a week must not grow for ever
const TYPING_REPEAT_MS = 2500; // how often "still typing" is said …
const TYPING_EXPIRES_MS = 6000; // … and how long it is believed
const SAME_AUTHOR_GAP_S = 300; // later messages of one author get a name and a time of their own

const $ = (id) => document.getElementById(id);

// ---- State: everything drawn below comes from here ----------------------------------------------

const rooms = new Map(); // the rooms this tab is in, by name
let directory = []; // every room of the server
let current = config.lobby;
let online = false;

/** A room as this tab sees it. */
function newRoom(name) {
  return { name, people: [], entries: [], typing: new Map(), unread: 0, draft: '' };
}

rooms.set(current, newRoom(current));

// ---- Small helpers ------------------------------------------------------------------------------

/** An element with a class, and text or children. Text becomes text nodes: no markup gets in. */
function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** Characters as people (and Python) count them: an emoji is one, though JavaScript stores two. */
const lengthOf = (text) => [...text].length;

const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const longClock = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

function timeElement(seconds) {
  const when = new Date(seconds * 1000);
  const made = element('time', 'time', clock.format(when));
  made.dateTime = when.toISOString();
  made.title = longClock.format(when);
  return made;
}

/** Gives an avatar its letter and, always the same for one name, its colour. */
function dressAvatar(avatar, nickname) {
  let hash = 0;
  for (const character of nickname) hash = (hash * 31 + character.codePointAt(0)) % 360;
  avatar.style.setProperty('--hue', hash);
  avatar.textContent = [...nickname][0].toUpperCase();
  return avatar;
}

function avatarOf(nickname) {
  const avatar = element('span', 'avatar');
  avatar.setAttribute('aria-hidden', 'true');
  return dressAvatar(avatar, nickname);
}

// ---- The log ------------------------------------------------------------------------------------

const log = $('log');

const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 60;

function scrollToEnd() {
  log.scrollTop = log.scrollHeight;
  $('to-end').hidden = true;
}

function continues(previous, entry) {
  return previous?.kind === 'message' && previous.nickname === entry.nickname
    && entry.time - previous.time < SAME_AUTHOR_GAP_S;
}

/** The <li> of one entry. Entries of kind "message" know it, to be redrawn when their ack comes. */
function drawEntry(entry, previous) {
  if (entry.kind === 'system') {
    return element('li', 'system', element('span', '', entry.text), timeElement(entry.time));
  }
  const row = element('li', 'message');
  row.classList.toggle('own', entry.nickname === me);
  row.classList.toggle('continued', continues(previous, entry));
  const head = element('div', 'head', element('span', 'author', entry.nickname), timeElement(entry.time));
  const body = element('div', 'body', head, element('p', 'text', entry.text));
  row.append(avatarOf(entry.nickname), body);
  entry.row = row;
  drawDelivery(entry);
  return row;
}

/** What became of one of our own messages: on its way, sent (its ack came), or refused and why. */
function drawDelivery(entry) {
  const { row, state } = entry;
  if (!row || entry.nickname !== me) return;
  row.dataset.state = state;
  row.querySelector('.delivery')?.remove();
  const delivery = element('div', 'delivery');
  if (state === 'failed') {
    const edit = element('button', 'link', 'Edit');
    edit.type = 'button';
    edit.addEventListener('click', () => takeBack(entry));
    const again = element('button', 'link', 'Send again');
    again.type = 'button';
    again.addEventListener('click', () => deliver(entry));
    delivery.append(element('span', 'reason', entry.reason), edit, again);
  } else {
    const mark = element('span', 'mark', state === 'sent' ? '✓' : '…');
    mark.setAttribute('aria-hidden', 'true');
    const label = state === 'sent' ? 'sent' : 'sending';
    delivery.title = label === 'sent' ? 'The server has it' : 'Waiting for the server';
    delivery.append(mark, element('span', 'mark-label', label));
  }
  row.querySelector('.body').append(delivery);
}

/** Adds an entry to a room: on screen if the room is, otherwise as one more unread message. */
function append(room, entry) {
  const previous = room.entries.at(-1);
  room.entries.push(entry);
  const surplus = room.entries.length > KEPT_PER_ROOM ? room.entries.shift() : null;
  if (room.name !== current) {
    if (entry.kind === 'message') {
      room.unread += 1;
      drawRooms();
    }
    return;
  }
  const follow = isAtEnd() || entry.nickname === me;
  log.querySelector('.empty')?.remove();
  log.append(drawEntry(entry, previous));
  if (surplus) log.firstElementChild.remove();
  if (follow) scrollToEnd();
  else if (entry.kind === 'message') $('to-end').hidden = false;
  if (document.hidden && entry.kind === 'message') {
    room.unread += 1;
    drawTitle();
  }
}

function systemLine(room, text) {
  append(room, { kind: 'system', text, time: Date.now() / 1000 });
}

/** Draws the whole log anew. Screen readers are told to keep quiet meanwhile: it is nothing new. */
function drawLog() {
  const { entries } = rooms.get(current);
  log.setAttribute('aria-live', 'off');
  log.replaceChildren(...entries.map((entry, index) => drawEntry(entry, entries[index - 1])));
  if (!entries.length) log.append(element('li', 'empty', 'Nothing has been said here yet.'));
  scrollToEnd();
  requestAnimationFrame(() => log.setAttribute('aria-live', 'polite'));
}

// ---- The rest of the page -----------------------------------------------------------------------

function drawRooms() {
  const known = new Map(directory.map((entry) => [entry.name, entry.people]));
  for (const name of rooms.keys()) if (!known.has(name)) known.set(name, rooms.get(name).people.length);
  const items = [...known].map(([name, people]) => {
    const room = rooms.get(name);
    const button = element('button', 'room');
    button.type = 'button';
    button.dataset.room = name;
    button.classList.toggle('joined', Boolean(room));
    if (name === current) button.setAttribute('aria-current', 'true');
    const hash = element('span', 'hash', '#');
    hash.setAttribute('aria-hidden', 'true');
    button.append(hash, element('span', 'name', name));
    if (room?.unread && name !== current) {
      button.append(element('span', 'badge', String(room.unread), element('span', 'sr-only', ' unread,')));
    }
    const spoken = element('span', 'sr-only', people === 1 ? ' person' : ' people');
    if (people) button.append(element('span', 'count', String(people), spoken));
    if (!room) button.append(element('span', 'join', 'Join'));
    button.addEventListener('click', () => (room ? show(name) : join(name)));
    return element('li', '', button);
  });
  const focused = document.activeElement?.dataset?.room;
  $('room-list').replaceChildren(...items);
  if (focused !== undefined) {
    items.find((item) => item.firstElementChild.dataset.room === focused)?.firstElementChild.focus();
  }
  drawTitle();
}

function drawTitle() {
  let unread = 0;
  for (const room of rooms.values()) if (room.name !== current || document.hidden) unread += room.unread;
  document.title = `${unread ? `(${unread}) ` : ''}${current} · sockio chat`;
  const badge = $('unread-elsewhere');
  badge.hidden = !unread;
  badge.replaceChildren(String(unread), element('span', 'sr-only', ' unread'));
}

function drawRoomHeader() {
  const room = rooms.get(current);
  $('room-name').textContent = room.name;
  $('room-summary').textContent = room.people.length ? plural(room.people.length, 'person', 'people') : '';
  $('leave').hidden = room.name === config.lobby;
  const people = [...room.people].sort((a, b) => (b === me) - (a === me));
  $('people-list').replaceChildren(...people.map((nickname) => {
    const item = element('li', '', avatarOf(nickname), element('span', 'name', nickname));
    if (nickname === me) item.append(element('span', 'you', 'you'));
    return item;
  }));
  log.setAttribute('aria-label', `Messages in ${room.name}`);
  $('text').placeholder = `Message to ${room.name}`;
}

function drawTyping() {
  const names = [...rooms.get(current).typing.keys()];
  let text = '';
  if (names.length === 1) text = `${names[0]} is typing`;
  else if (names.length === 2) text = `${names[0]} and ${names[1]} are typing`;
  else if (names.length) text = `${names.length} people are typing`;
  $('typing').textContent = text;
  $('typing').classList.toggle('active', Boolean(text));
}

function show(name) {
  rooms.get(current).draft = box.value;
  stopTyping();
  current = name;
  const room = rooms.get(name);
  room.unread = 0;
  box.value = room.draft;
  sizeComposer();
  drawRooms();
  $('room-list').querySelector('[aria-current]').scrollIntoView({ block: 'nearest' });
  drawRoomHeader();
  drawTyping();
  drawLog();
  if (narrow.matches) closeSidebar(); // and spares phones the keyboard that a focus brings up
  else box.focus();
}

/** The line above the log. Without text it goes away. */
function banner(message, action) {
  $('banner').hidden = !message;
  $('banner-text').textContent = message ?? '';
  $('banner-login').hidden = action !== 'login';
  $('banner-logout').hidden = action !== 'logout';
}

/** `state` is one of: online, waiting, offline. */
function connection(state, message) {
  online = state === 'online';
  $('connection').dataset.state = state;
  $('connection-text').textContent = message;
  // On a narrow screen the line above is in the drawer; a short form stands in the header.
  $('via').dataset.state = state;
  $('via-text').textContent = online ? transport : message;
  sizeComposer();
}

// ---- Talking to the server ----------------------------------------------------------------------

let link = null; // what client-4.js or client-0.9.js made of the connection
let socket = null; // the namespace /chat
const wanted = new URLSearchParams(location.search).get('transport');
let transport = '';
let worker = ''; // which of several processes of the server has us
let wasLost = false;
let ended = false; // logged out: what the connection does from now on is of no interest

function join(name) {
  socket.emit('join room', name, (answer) => {
    if (answer.error) {
      // After a reconnection: what was ours before may be refused by now.
      if (current === name) show(config.lobby);
      rooms.delete(name);
      newRoomProblem(answer.message);
      drawRooms();
      return;
    }
    entered(answer);
  });
}

/** Takes over what the server says about a room we are in now, for the first time or again. */
function entered({ room: name, people, history }) {
  const known = rooms.get(name);
  const room = known ?? newRoom(name);
  rooms.set(name, room);
  room.people = people;
  if (!known) {
    room.entries = history.map(received);
    $('new-room-name').value = '';
    newRoomProblem('');
    show(name);
    return;
  }
  // Again, after a reconnection: what we missed meanwhile is in the history.
  const have = new Set(room.entries.map(({ id }) => id));
  for (const message of history.filter(({ id }) => !have.has(id))) {
    const ours = room.entries.find((entry) => entry.unanswered
      && message.nickname === me && message.text === entry.text);
    if (ours) arrived(ours, message); // it had reached the server; only the ack was lost
    else append(room, received(message));
  }
  if (name === current) {
    drawRoomHeader();
    drawTyping();
  }
}

/** A message from the server as an entry of the log. */
const received = (message) => ({ ...message, kind: 'message', state: 'sent' });

/** The server has this message of ours, and tells the number and time it gave it. */
function arrived(entry, { id, time }) {
  Object.assign(entry, { id, time, state: 'sent', unanswered: false });
  drawDelivery(entry);
}

function leave(name) {
  socket.emit('leave room', name, (answer) => {
    if (answer.error) {
      systemLine(rooms.get(current), answer.message);
      return;
    }
    if (current === name) show(config.lobby);
    rooms.delete(name);
    drawRooms();
  });
}

/** Sends one of our messages, and shows what comes of it. */
function deliver(entry) {
  Object.assign(entry, { state: online ? 'sending' : 'failed', reason: 'Not connected.' });
  drawDelivery(entry);
  if (!online) return;
  socket.emit('user message', entry.room, entry.text, (answer) => {
    if (!answer.error) {
      arrived(entry, answer);
      return;
    }
    Object.assign(entry, { state: 'failed', reason: answer.message });
    drawDelivery(entry);
    // The refusal needs more lines than a tick: keep the end of the log in view.
    if (entry === rooms.get(current).entries.at(-1)) scrollToEnd();
  });
}

/** A message that failed goes back to where it was written. */
function takeBack(entry) {
  const room = rooms.get(entry.room);
  room.entries = room.entries.filter((other) => other !== entry);
  drawLog();
  box.value = entry.text;
  sizeComposer();
  box.focus();
}

function failWhatIsUnderWay() {
  for (const room of rooms.values()) {
    room.typing.clear();
    for (const entry of room.entries) {
      if (entry.state !== 'sending') continue;
      entry.state = 'failed';
      entry.reason = 'The connection dropped before the server answered.';
      entry.unanswered = true; // it may have arrived all the same
      drawDelivery(entry);
    }
  }
  drawTyping();
}

/** Whether the cookie still opens the door; a server that is away says neither yes nor no. */
async function checkLogin() {
  try {
    const answer = await fetch(config.meUrl, { cache: 'no-store' });
    if (answer.status === 401) loggedOut();
  } catch {
    // Not reachable: the client goes on trying by itself.
  }
}

function loggedOut() {
  ended = true;
  connection('offline', 'Logged out');
  banner('You are not logged in any more.', 'login');
  link.stop();
}

/** What a connection may come to: client-4.js and client-0.9.js call these. */
const events = {
  /** The server has let us into /chat: for the first time, or after a reconnection. */
  open(over) {
    worker = '';
    events.moved(over);
    banner(null);
    if (wasLost) systemLine(rooms.get(current), 'The connection was lost, and is back');
    wasLost = false;
    for (const name of rooms.keys()) join(name);
  },
  moved(over) {
    transport = over;
    connection('online', `Connected over ${over}${worker}`);
  },
  lost() {
    failWhatIsUnderWay();
    if (ended) return;
    wasLost = true;
    connection('waiting', 'Reconnecting');
    banner('Connection lost. Trying to reconnect; what you are writing stays here.');
  },
  /** The server ended it, and means it: a logout in another tab. */
  ended() {
    failWhatIsUnderWay();
    if (ended) return;
    connection('offline', 'Disconnected');
    banner('The server ended this connection.', 'login');
    checkLogin();
  },
  retrying(attempt) {
    if (ended) return;
    connection('waiting', `Reconnecting, attempt ${attempt}`);
    checkLogin();
  },
  unreachable() {
    if (ended) return;
    connection('waiting', 'Connecting');
    banner('The server does not answer yet. Trying again.');
    checkLogin();
  },
  refused(why) {
    connection('offline', 'Not connected');
    banner(why || `Somebody else is online as ${me}.`, 'logout');
  },
  noTransport() {
    connection('offline', 'Not connected');
    banner(wanted ? `The transport ${wanted} does not work here.` : 'No transport works here.');
  },
};

function connect({ transports, open }) {
  fillTransports(transports);
  link = open(config.resource, wanted, events);
  socket = link.socket;

  socket.on('worker', (pid) => {
    worker = `, to worker ${pid}`;
    events.moved(transport);
  });

  socket.on('taken', (why) => {
    ended = true;
    link.stop();
    events.refused(why);
  });

  socket.on('rooms', (all) => {
    directory = all;
    drawRooms();
  });

  socket.on('joined', ({ room: name, nickname, people }) => {
    const room = rooms.get(name);
    if (!room) return;
    room.people = people;
    systemLine(room, `${nickname} joined`);
    if (name === current) drawRoomHeader();
  });

  socket.on('left', ({ room: name, nickname, people }) => {
    const room = rooms.get(name);
    if (!room) return;
    room.people = people;
    setTyping(room, nickname, false);
    systemLine(room, `${nickname} left`);
    if (name === current) drawRoomHeader();
  });

  socket.on('user message', (message) => {
    const room = rooms.get(message.room);
    if (!room) return;
    setTyping(room, message.nickname, false);
    append(room, received(message));
  });

  socket.on('typing', ({ room: name, nickname, active }) => {
    const room = rooms.get(name);
    if (room && nickname !== me) setTyping(room, nickname, active);
  });
}

function setTyping(room, nickname, active) {
  clearTimeout(room.typing.get(nickname));
  room.typing.delete(nickname);
  if (active) {
    // People close their laptops in the middle of a word.
    room.typing.set(nickname, setTimeout(() => setTyping(room, nickname, false), TYPING_EXPIRES_MS));
  }
  if (room.name === current) drawTyping();
}

// ---- Writing ------------------------------------------------------------------------------------

const box = $('text');
let saidTypingAt = 0;

function startTyping() {
  if (!online || Date.now() - saidTypingAt < TYPING_REPEAT_MS) return;
  saidTypingAt = Date.now();
  socket.emit('typing', current, true);
}

function stopTyping() {
  if (!saidTypingAt) return;
  saidTypingAt = 0;
  if (online) socket.emit('typing', current, false);
}

/** Fits the box to its text, and the counter and the button to its length. */
function sizeComposer() {
  box.style.height = 'auto';
  box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
  const length = lengthOf(box.value.trim());
  $('send').disabled = !online || length === 0;
  // Near the limit the counter appears. Beyond it, sending is still possible: the server is the
  // one who knows, and its refusal is shown at the message.
  $('counter').textContent = length > maxMessage * 0.8 ? `${length} / ${maxMessage}` : '';
  $('counter').classList.toggle('over', length > maxMessage);
}

box.addEventListener('input', () => {
  sizeComposer();
  if (box.value.trim()) startTyping();
  else stopTyping();
});

box.addEventListener('keydown', (event) => {
  // While an input method composes a character, Enter belongs to it.
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('composer').requestSubmit();
});

$('composer').addEventListener('submit', (event) => {
  event.preventDefault();
  const written = box.value.trim();
  if (!written || !online) return;
  box.value = '';
  sizeComposer();
  stopTyping();
  const entry = {
    kind: 'message', room: current, nickname: me, text: written, time: Date.now() / 1000,
  };
  append(rooms.get(current), entry);
  deliver(entry);
  box.focus();
});

$('to-end').addEventListener('click', scrollToEnd);
log.addEventListener('scroll', () => {
  if (isAtEnd()) $('to-end').hidden = true;
});

// ---- Rooms and sidebar --------------------------------------------------------------------------

function newRoomProblem(message) {
  $('new-room-problem').textContent = message;
  $('new-room-name').setAttribute('aria-invalid', String(Boolean(message)));
}

$('new-room').addEventListener('submit', (event) => {
  event.preventDefault();
  const name = $('new-room-name').value.trim();
  if (!name || !online) return;
  if (rooms.has(name)) {
    $('new-room-name').value = '';
    show(name);
  } else {
    join(name); // empties the field if it succeeds
  }
});
$('new-room-name').addEventListener('input', () => newRoomProblem(''));

$('leave').addEventListener('click', () => leave(current));

const narrow = matchMedia('(max-width: 760px)');

function openSidebar() {
  $('sidebar').classList.add('open');
  $('backdrop').hidden = false;
  $('open-sidebar').setAttribute('aria-expanded', 'true');
  $('close-sidebar').focus();
}

function closeSidebar() {
  if (!$('sidebar').classList.contains('open')) return;
  $('sidebar').classList.remove('open');
  $('backdrop').hidden = true;
  $('open-sidebar').setAttribute('aria-expanded', 'false');
  $('open-sidebar').focus();
}

$('open-sidebar').addEventListener('click', openSidebar);
$('close-sidebar').addEventListener('click', closeSidebar);
$('backdrop').addEventListener('click', closeSidebar);
narrow.addEventListener('change', closeSidebar);
addEventListener('keydown', (event) => {
  if (event.key === 'Escape') closeSidebar();
});

document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  rooms.get(current).unread = 0;
  drawTitle();
});

function fillTransports(offered) {
  const names = [...offered];
  if (wanted && !names.includes(wanted)) names.push(wanted);
  for (const name of names) $('transport').append(new Option(name, name));
  $('transport').value = wanted ?? '';
  $('transport').addEventListener('change', () => {
    const { value } = $('transport');
    location.search = value ? `?transport=${encodeURIComponent(value)}` : '';
  });
}

// ---- Start --------------------------------------------------------------------------------------

dressAvatar($('my-avatar'), me);
drawRooms();
drawRoomHeader();
drawLog();
sizeComposer();
if (!narrow.matches) box.focus();

/** Called by the page's own script, with the names of its client's transports and what opens one. */
export function start(client) {
  if (client.fits) {
    // Not before the page has loaded: jsonp-polling waits in a <script>, and a browser that is still
    // loading would count it as part of the page and show that it is loading for ever.
    addEventListener('load', () => connect(client), { once: true });
    return;
  }
  connection('offline', 'Not connected');
  banner(window.io
    ? `The script that was loaded is not socket.io-client ${client.version}.`
    : `The Socket.IO client did not load. Without internet access, put ${config.package} next to chat.py, as its README says.`);
}
