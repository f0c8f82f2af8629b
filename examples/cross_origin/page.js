// The page of both origins: the one that the sockets allow, and the one that they refuse.
//
//   to the server            from the server
//   "say" text, with an ack  "welcome" the origin it knows us by    "came", "went" another page's origin
//                            "said"    an origin, what it said      "log" what the server says of a refusal

const { sockets, page, stranger } = document.body.dataset;
const KEPT = 100; // lines

const find = (id) => document.getElementById(id);
const events = find('events');
const forced = new URLSearchParams(location.search).get('transport');

/** One line of what happens: what it is, and the details. As text, whoever sent them. */
function tell(kind, ...details) {
  const line = document.createElement('li');
  const name = document.createElement('code');
  name.textContent = kind;
  line.append(name, details.map(String).join(' '));
  line.dataset.kind = kind;
  events.append(line);
  if (events.children.length > KEPT) events.firstElementChild.remove();
  events.scrollTop = events.scrollHeight;
}

/** `state` is one of: open, trying, shut. */
function show(state, wire, meaning) {
  find('way').dataset.state = state;
  find('wire').textContent = wire;
  find('meaning').textContent = meaning;
  find('say').querySelector('button').disabled = state !== 'open';
}

function connect() {
  if (forced) io.transports = [forced];
  for (const name of new Set(['websocket', 'xhr-polling', 'jsonp-polling', ...(forced ? [forced] : [])])) {
    find('transport').append(new Option(name, name, false, name === forced));
  }

  const demo = io.connect(`${sockets}/demo`, { 'max reconnection attempts': Infinity, 'reconnection limit': 5000 });
  const connection = demo.socket;

  demo.on('welcome', (origin) => {
    show('open', `connected over ${connection.transport.name}`, 'The sockets were given the origin of this page, in '
      + 'origins=[…]. Their answers say so, and the browser lets the page read them.');
    tell('welcome', `The server knows this page as ${origin}`);
  });
  demo.on('came', (origin) => tell('came', `another page, from ${origin}`));
  demo.on('went', (origin) => tell('went', `the page from ${origin}`));
  demo.on('said', (origin, text) => tell('said', `${text} (from ${origin})`));
  demo.on('log', (line) => tell('log', line));

  demo.on('disconnect', () => {
    show('trying', 'connection lost', 'The client tries to connect again.');
    tell('disconnect', 'the connection is gone');
  });
  demo.on('reconnecting', (delay, attempt) => tell('reconnecting', `attempt ${attempt}`));
  demo.on('connect_failed', (reason) => {
    show('shut', 'not connected', reason ? `The namespace refused: ${reason}.` : `${forced ?? 'No transport'} does not work here.`);
  });
  demo.on('error', (reason) => {
    if (connection.connected || connection.reconnecting) return;
    if (location.origin === page) show('shut', 'no answer', 'Is the server still running?');
    else {
      show('shut', 'refused', 'The sockets refused because of the origin of this page. That much the server’s log says; '
        + 'the page only sees that no answer came which it may read, as if the server were not there.');
    }
    tell('error', reason || '(no reason that the browser would tell)');
  });

  find('say').onsubmit = (event) => {
    event.preventDefault();
    const field = find('text');
    const sent = performance.now();
    tell('say', field.value);
    demo.emit('say', field.value, (answer) => {
      const took = `${(performance.now() - sent).toFixed(1)} ms`;
      tell('ack', answer.error ? answer.message : `heard over ${answer}, after ${took}`);
    });
    field.value = '';
  };

  // A websocket ends with its page; of a poll the server has to be told.
  window.onpagehide = () => {
    const { transport, sessionid } = connection;
    if (connection.connected && transport.name !== 'websocket') {
      navigator.sendBeacon(`${sockets}/socket.io/1/${transport.name}/${sessionid}?disconnect=1`);
    }
  };
}

find('here').textContent = location.origin;
find('transport').onchange = ({ target }) => { location.search = target.value && `transport=${target.value}`; };

document.body.classList.toggle('framed', window !== window.top);
if (location.origin === page) {
  const frame = find('stranger');
  find('elsewhere').hidden = false;
  find('try').onclick = () => {
    frame.src = `${stranger}/${location.search}`; // anew, at every click
    frame.hidden = false;
  };
}

if (window.io) {
  show('trying', 'connecting', '');
  window.onload = connect; // a JSONP poll that begins before keeps a browser loading for ever
} else {
  show('shut', 'no client', 'The Socket.IO client did not load. Next to run.py: npm install socket.io-client@0.9.17');
}
