// Tells socket.io-client, of any version, where this site's endpoint is, and gives it channels.
//
//     const socket = io(); // with client 0.9: io.connect()
//     socket.on('connect', () => { socket.subscribe('room-1'); });
//     socket.send({ any: 'JSON' });
//
// `connect` fires on every reconnection too, and the server forgets subscriptions with the
// connection, so subscribe there.
(function () {
  'use strict';

  var io = window.io;
  if (!io) {
    throw new Error('sockio: the Socket.IO client did not load; the setting SOCKETIO_CLIENT says where it is.');
  }
  var here = document.currentScript ? document.currentScript.dataset : {};
  var resource = here.resource || 'socket.io';
  // Since 1.0 `io` is a function, and sends what is no text by itself.
  var old = typeof io !== 'function';
  var connect = old ? io.connect : io;
  var namespace = (old ? io.SocketNamespace : io.Socket).prototype;

  function connectHere(host, details) {
    if (host && typeof host === 'object') {
      details = host;
      host = '';
    }
    var options = old ? { resource: resource } : { path: '/' + resource };
    Object.keys(details || {}).forEach(function (name) { options[name] = details[name]; });
    host = host || '';
    if (here.url && !/^([a-z]+:)?\/\//i.test(host)) host = here.url + host;
    return connect.call(io, old ? host : host || undefined, options);
  }

  if (old) {
    io.connect = connectHere;
    // All that a browser says about a page for later clients is that `io` is no function.
    if (window.addEventListener) window.addEventListener('error', function (event) {
      if (/\bio is not a function/.test(event.message)) {
        console.error('sockio: this is client ' + io.version + ", which connects by io.connect('/chat'), not io('/chat').");
      }
    });
    var send = namespace.send;
    // Whatever is no text goes as JSON.
    namespace.send = function (data, acknowledged) {
      if (typeof data !== 'string') this.flags.json = true; // what socket.json.send() does
      return send.call(this, data, acknowledged);
    };
  } else {
    Object.keys(io).forEach(function (name) { connectHere[name] = io[name]; });
    connectHere.io = connectHere.connect = connectHere;
    window.io = connectHere;
  }

  // `answered` gets true, false (nothing changed) or {error: code, message: text}.
  namespace.subscribe = function (channel, answered) {
    return this.emit('subscribe', channel, answered || function () {});
  };
  namespace.unsubscribe = function (channel, answered) {
    return this.emit('unsubscribe', channel, answered || function () {});
  };
}());
