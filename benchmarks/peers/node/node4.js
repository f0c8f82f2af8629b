// The benchmark's server on today's socket.io, in its default configuration.
"use strict";

const http = require("http");
const { Server } = require("socket.io");

const server = http.createServer((request, response) => response.end());
const bench = new Server(server, { serveClient: false }).of("/bench");

bench.on("connection", (socket) => {
  socket.on("echo", (text, answer) => answer(text));
  socket.on("shout", (text) => bench.emit("shout", text));
  socket.on("join", (room, answer) => {
    socket.join(room);
    answer(true);
  });
  socket.on("room", (room, text) => bench.to(room).emit("shout", text));
});

server.listen(0, "127.0.0.1", 4096, () => {
  const versions = { Node: process.versions.node, "socket.io": require("socket.io/package.json").version };
  console.log(JSON.stringify({ port: server.address().port, versions }));
});
