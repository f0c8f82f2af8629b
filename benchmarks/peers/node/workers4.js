// Workers of today's socket.io: `node workers4.js cluster COUNT`, which @socket.io/sticky and
// @socket.io/cluster-adapter join, or `node workers4.js redis PORT`, one of several processes that
// @socket.io/redis-adapter joins. The first line says the port, the processes and the versions.
"use strict";

const cluster = require("cluster");
const http = require("http");
const { Server } = require("socket.io");

const [, , kind, value] = process.argv;

function serve(adapter, prepare) {
  const server = http.createServer((request, response) => response.end("page"));
  const io = new Server(server, { serveClient: false, pingInterval: 1e6, adapter });
  io.on("connection", (socket) => {
    socket.join("all");
    socket.on("echo", (text, answer) => answer(text));
    socket.on("emit", (count, text) => {
      for (let number = 0; number < count; number += 1) io.to("all").emit("text", text);
    });
  });
  prepare(server, io);
}

function ready(port, pids, names) {
  const versions = { Node: process.versions.node };
  for (const name of ["socket.io", ...names]) versions[name] = require(`${name}/package.json`).version;
  console.log(JSON.stringify({ port, pids, versions }));
}

if (kind === "redis") {
  const Redis = require("ioredis");
  const { createAdapter } = require("@socket.io/redis-adapter");
  const pub = new Redis(Number(value));
  const sub = pub.duplicate();
  serve(createAdapter(pub, sub), (server) => {
    server.listen(0, "127.0.0.1", 4096, () => {
      ready(server.address().port, [process.pid], ["@socket.io/redis-adapter"]);
    });
  });
} else if (cluster.isPrimary) {
  const { setupMaster } = require("@socket.io/sticky");
  const { setupPrimary } = require("@socket.io/cluster-adapter");
  const server = http.createServer();
  // New connections go to whoever has the fewest: each worker gets as many.
  setupMaster(server, { loadBalancingMethod: "least-connection" });
  setupPrimary();
  cluster.setupPrimary({ serialization: "advanced" });
  const workers = Array.from({ length: Number(value) }, () => cluster.fork());
  let waiting = workers.length;
  for (const worker of workers) {
    worker.on("message", (message) => {
      if (message !== "ready") return;
      waiting -= 1;
      if (waiting > 0) return;
      server.listen(0, "127.0.0.1", 4096, () => {
        const pids = [process.pid, ...workers.map((each) => each.process.pid)];
        ready(server.address().port, pids, ["@socket.io/cluster-adapter", "@socket.io/sticky"]);
      });
    });
  }
  // They end with whoever has started this.
  process.stdin.on("end", () => process.exit(0)).resume();
} else {
  const { setupWorker } = require("@socket.io/sticky");
  const { createAdapter } = require("@socket.io/cluster-adapter");
  serve(createAdapter(), (server, io) => {
    setupWorker(io);
    process.send("ready");
  });
}
