// Gives the real client, in node, the cookies that a browser would send along by itself:
//
//     NODE_OPTIONS="--require node_cookies.js", and io.connect('http://.../?cookie=' + encoded)
//
// The client's XMLHttpRequest for node cannot be told to, so it goes in one level below. As in a
// browser they are part of the handshake; the requests after it do not need them.
'use strict';

const http = require('http');

const plain = http.request;
http.request = function request(options, ...rest) {
  const where = new URL(options.path || '/', 'http://any');
  const cookie = where.searchParams.get('cookie');
  if (cookie) options.headers.Cookie = cookie;
  return plain.call(http, options, ...rest);
};
