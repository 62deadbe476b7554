// @socket.io/redis-streams-adapter: two Socket.IO servers that talk over one stream.
//
// The flow of its README ("Usage", with node-redis and with ioredis) and of Socket.IO's own pages
// on rooms, acknowledgements, server side events and connection state recovery. Version 0.2: since
// 0.3 the adapter also wants publish/subscribe.

'use strict';

const { createServer } = require('node:http');
const { once } = require('node:events');
const { Redis } = require('ioredis');
const { createClient } = require('redis');
const { Server } = require('socket.io');
const { io: openSocket } = require('socket.io-client');
const { createAdapter } = require('@socket.io/redis-streams-adapter');
const { assert, runAll, close } = require('../node/checks');
const { url, until, connect } = require('./common');

const { deepEqual, equal, ok } = assert;
const CLIENTS = {
    'node-redis': async () => {
        const client = createClient({ url });
        client.on('error', () => {});
        return client.connect();
    },
    ioredis: async () => new Redis(url),
};

// One Socket.IO server, with a client of its own.
async function startServer(kind) {
    const http = createServer();
    const io = new Server(http, {
        adapter: createAdapter(await CLIENTS[kind]()),
        connectionStateRecovery: { maxDisconnectionDuration: 60_000 },
    });
    io.on('connection', (socket) => {
        socket.on('join', (room, done) => {
            socket.join(room);
            done();
        });
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return { io, url: `http://127.0.0.1:${http.address().port}` };
}

// A browser's side; it notes what it hears.
async function openClient(server, room) {
    const socket = openSocket(server.url, {
        transports: ['websocket'], reconnectionDelay: 10, reconnectionDelayMax: 10,
    });
    socket.heard = [];
    socket.on('news', (word) => socket.heard.push(word));
    socket.on('question', (word, answer) => answer(`${word} to you`));
    await once(socket, 'connect');
    if (room) await socket.emitWithAck('join', room);
    return socket;
}

const range = (count) => Array.from({ length: count }, (_, number) => number);
const heardBy = (sockets, count) => until(
    () => sockets.every((socket) => socket.heard.length >= count), `everybody hears ${count}`,
);

async function everybodyHearsEverything({ one, two, store }) {
    const sockets = [await openClient(one), await openClient(two), await openClient(two)];
    for (const number of range(50)) one.io.emit('news', number);
    await heardBy(sockets, 50);
    for (const socket of sockets) deepEqual(socket.heard, range(50));
    two.io.emit('news', Buffer.from([0, 255]));
    await heardBy(sockets, 51);
    ok(sockets[0].heard[50].equals(Buffer.from([0, 255])), 'bytes arrive as bytes');
    ok((await store.xlen('socket.io')) >= 51);
    sockets.forEach((socket) => socket.close());
}

async function roomsAcrossServers({ one, two }) {
    const inside = [await openClient(one, 'room'), await openClient(two, 'room')];
    const outside = await openClient(two);
    one.io.to('room').emit('news', 'inside');
    one.io.except('room').emit('news', 'outside');
    await heardBy([...inside, outside], 1);
    deepEqual(inside.map((socket) => socket.heard), [['inside'], ['inside']]);
    deepEqual(outside.heard, ['outside']);
    const found = await two.io.in('room').fetchSockets();
    deepEqual(found.map(({ id }) => id).sort(), inside.map(({ id }) => id).sort());
    one.io.in('room').socketsLeave('room');
    await until(async () => (await two.io.in('room').fetchSockets()).length === 0, 'all leave');
    [...inside, outside].forEach((socket) => socket.close());
}

async function answersFromAllServers({ one, two }) {
    const sockets = [await openClient(one), await openClient(two)];
    const answers = await one.io.timeout(5000).emitWithAck('question', 'hello');
    deepEqual(answers, ['hello to you', 'hello to you']);
    two.io.once('sum', (a, b, answer) => answer(a + b));
    deepEqual(await one.io.serverSideEmitWithAck('sum', 1, 2), [3]);
    sockets.forEach((socket) => socket.close());
}

async function aClientComesBackToTheOtherServer({ one, two }) {
    const socket = await openClient(one, 'room');
    one.io.emit('news', 'before');
    await heardBy([socket], 1);
    const { id } = socket;
    socket.io.reconnection(false);
    socket.io.engine.close();
    await until(async () => (await two.io.fetchSockets()).length === 0, 'the servers see it go');
    two.io.to('room').emit('news', 'missed');
    one.io.to('elsewhere').emit('news', 'not for it');
    socket.io.reconnection(true);
    socket.io.uri = two.url;
    socket.connect();
    await once(socket, 'connect');
    equal(socket.recovered, true);
    equal(socket.id, id);
    await heardBy([socket], 2);
    two.io.in('room').emit('news', 'after');
    await heardBy([socket], 3);
    deepEqual(socket.heard, ['before', 'missed', 'after']);
    socket.close();
}

const CHECKS = [
    everybodyHearsEverything, roomsAcrossServers, answersFromAllServers,
    aClientComesBackToTheOtherServer,
];

async function main() {
    const store = connect();
    await store.flushall();
    const results = [];
    for (const kind of Object.keys(CLIENTS)) {
        const [one, two] = [await startServer(kind), await startServer(kind)];
        // Each server must have heard of the other before it can count its answers.
        await until(async () => (await one.io.of('/').adapter.serverCount()) === 2, 'two servers');
        await until(async () => (await two.io.of('/').adapter.serverCount()) === 2, 'two servers');
        const quiet = async () => {
            one.io.disconnectSockets(true);
            await until(async () => (await one.io.fetchSockets()).length === 0, 'nobody is left');
        };
        results.push(await runAll(`socket.io, ${kind}`, CHECKS, { one, two, store }, quiet));
        one.io.close();
        two.io.close();
    }
    close(results);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
