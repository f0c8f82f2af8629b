// The benchmark's server on socket.io 0.9.19, of 2015, run by a Node of today.
"use strict";

// Node 6 took process.EventEmitter away, which 0.9 inherits from. Nothing else is missing: the
// server has its own websocket parser and needs none of the native modules that its client does.
process.EventEmitter = require("events").EventEmitter;

const http = require("http");
const server = http.createServer((request, response) => response.end());
const io = require("socket.io-0.9").listen(server, {
  log: false,
  "browser client": false,
  transports: ["websocket", "xhr-polling"],
});

const bench = io.of("/bench").on("connection", (socket) => {
  socket.on("echo", (text, answer) => answer(text));
  socket.on("shout", (text) => bench.emit("shout", text));
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer(true);
  });
  socket.on("room", (room, text) => bench.in(room).emit("shout", text));
});

server.listen(0, "127.0.0.1", 4096, () => {
  const versions = { Node: process.versions.node, "socket.io": require("socket.io-0.9/package.json").version };
  console.log(JSON.stringify({ port: server.address().port, versions }));
});
