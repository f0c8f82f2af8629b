// The page of both origins: the one that the sockets allow, and the one that they refuse.
//
//   to the server            from the server
//   "say" text, with an ack  "welcome" the origin it knows us by    "came", "went" another page's origin
//                            "said"    an origin, what it said      "log" what the server says of a refusal

const { sockets, page, stranger } = document.body.dataset;
const KEPT = 100; // lines
const TRANSPORTS = ['websocket', 'polling'];

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
  for (const name of new Set([...TRANSPORTS, ...(forced ? [forced] : [])])) {
    find('transport').append(new Option(name, name, false, name === forced));
  }
  // Of a name that it does not know the client says nothing.
  if (forced && !TRANSPORTS.includes(forced)) {
    show('shut', 'not connected', `There is no transport ${forced}.`);
    return;
  }

  const demo = io(`${sockets}/demo`, {
    transports: forced ? [forced] : ['polling', 'websocket'],
    withCredentials: true, // cookies, where the sockets' site has some
  });
  const manager = demo.io; // the connection below, which knows its transport
  let welcome = false;

  function open() {
    show('open', `connected over ${manager.engine.transport.name}`, 'The sockets were given the origin of this page, in '
      + 'origins=[…]. Their answers say so, and the browser lets the page read them.');
  }

  // From polling to a websocket.
  demo.on('connect', () => manager.engine.once('upgrade', () => welcome && open()));
  demo.on('welcome', (origin) => {
    welcome = true;
    open();
    tell('welcome', `The server knows this page as ${origin}`);
  });
  demo.on('came', (origin) => tell('came', `another page, from ${origin}`));
  demo.on('went', (origin) => tell('went', `the page from ${origin}`));
  demo.on('said', (origin, text) => tell('said', `${text} (from ${origin})`));
  demo.on('log', (line) => tell('log', line));

  demo.on('disconnect', (reason) => {
    welcome = false;
    show('trying', 'connection lost', 'The client tries to connect again.');
    tell('disconnect', reason);
  });
  manager.on('reconnect_attempt', (attempt) => tell('reconnecting', `attempt ${attempt}`));
  // `active`: nobody answered, or not so that the page may read it. Otherwise the namespace refused.
  demo.on('connect_error', (error) => {
    tell('error', error.message || '(no reason that the browser would tell)');
    if (!demo.active) show('shut', 'not connected', `The namespace refused: ${error.message}.`);
    else if (location.origin === page) show('trying', 'no answer', 'Is the server still running?');
    else {
      demo.disconnect(); // it will be no other
      show('shut', 'refused', 'The sockets refused because of the origin of this page. That much the server’s log says; '
        + 'the page only sees that no answer came which it may read, as if the server were not there.');
    }
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

if (window.io?.Manager) {
  show('trying', 'connecting', '');
  connect();
} else {
  show('shut', 'no client', 'The Socket.IO client did not load, or is none of 3.x and 4.x. Next to run.py: '
    + 'npm install --prefix . socket.io-client@4');
}
