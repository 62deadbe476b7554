// redis-commander: the web tool itself, started from its command line and asked as its pages ask.
//
// The flow of its README ("Usage": --redis-host, --redis-port) and of its pages: connections,
// server information, the tree of keys, a stream with its entries, commands, changes.

'use strict';

const { spawn } = require('node:child_process');
const { createServer } = require('node:net');
const { once } = require('node:events');
const { assert, server, runAll, close } = require('../node/checks');
const { until, connect } = require('./common');

const { deepEqual, equal, ok } = assert;
const IDS = ['1-0', '2-0', '3-0'];
const PROGRAM = require.resolve('redis-commander/bin/redis-commander.js');

async function freePort() {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address();
    probe.close();
    await once(probe, 'close');
    return port;
}

// The running tool.
class Commander {
    static async start() {
        const commander = new Commander();
        commander.url = `http://127.0.0.1:${await freePort()}`;
        const address = ['--address', '127.0.0.1', '--port', new URL(commander.url).port];
        const target = ['--redis-host', server.host, '--redis-port', String(server.port)];
        const words = [PROGRAM, ...target, ...address, '--nosave', '--noload'];
        const HOME = process.env.MILLSTREAM_TEST_SCRATCH;
        const options = { stdio: ['ignore', 2, 2], env: { ...process.env, HOME } };
        commander.process = spawn(process.execPath, words, options);
        commander.token = await until(() => commander.signIn(), 'the tool lets us in');
        await until(async () => (await commander.get('/apiv2/connection')) === true, 'connects');
        const { connections } = await commander.get('/connections');
        commander.id = connections[0].conId;
        return commander;
    }

    async signIn() {
        try {
            const reply = await fetch(`${this.url}/signin`, { method: 'POST' });
            return (await reply.json()).bearerToken;
        } catch {
            return undefined;
        }
    }

    async send(path, options = {}) {
        const headers = { Authorization: `Bearer ${this.token}` };
        const reply = await fetch(this.url + path, { ...options, headers });
        equal(reply.status, 200, `${path}: ${reply.status}`);
        const text = await reply.text();
        return /^[[{]|^true$/.test(text) ? JSON.parse(text) : text;
    }

    get(path) {
        return this.send(path);
    }

    post(path, form = {}) {
        return this.send(path, { method: 'POST', body: new URLSearchParams(form) });
    }

    stop() {
        this.process.kill();
        return once(this.process, 'exit');
    }
}

async function fill(store) {
    for (const id of IDS) await store.xadd('shop:orders', id, 'n', id, 'x', '\u00fc');
    await store.set('shop:counter', '42', 'EX', 100);
    await store.set('other', 'v');
}

async function serverInformation({ commander }) {
    const { data: [row] } = await commander.get('/apiv2/server/info');
    equal(row.error, undefined);
    const info = Object.fromEntries(row.info.map(({ key, value }) => [key, value]));
    ok(/^\d+\.\d+/.test(info['Redis version']), `version ${info['Redis version']}`);
    ok(Number(info['Uptime in seconds']) >= 0 && Number(info['Connected clients']) >= 1);
}

async function keysAndTheirValues({ commander, store }) {
    await fill(store);
    const { id } = commander;
    const { data: roots } = await commander.get(`/apiv2/keystree/${id}`);
    deepEqual(roots.map(({ text }) => text).sort(), ['other', 'shop:* (2)']);
    const { data: inside } = await commander.get(`/apiv2/keystree/${id}/shop:`);
    deepEqual(inside.map(({ rel }) => rel).sort(), ['stream', 'string']);
    deepEqual((await commander.get(`/apiv2/keys/${id}/shop:o*`)).data, ['shop:orders']);
    const stream = await commander.get(`/apiv2/key/${id}/shop:orders`);
    deepEqual([stream.type, stream.length, stream.ttl], ['stream', 3, -1]);
    // It shows the first field of an entry.
    const items = stream.items.map(({ timestamp, field, value }) => [timestamp, field, value]);
    deepEqual(items, IDS.map((one) => [one, 'n', one]));
    const counter = await commander.get(`/apiv2/key/${id}/shop:counter`);
    deepEqual([counter.type, counter.value], ['string', '42']);
    ok(counter.ttl > 90);
}

async function changes({ commander, store }) {
    await fill(store);
    const { id } = commander;
    const entry = { connectionId: id, key: 'shop:orders', timestamp: '4-0' };
    await commander.post('/apiv2/xset/member', { ...entry, field: 'n', value: '4' });
    deepEqual(await store.xrange('shop:orders', '4-0', '4-0'), [['4-0', ['n', '4']]]);
    await commander.post('/apiv2/xset/member/delete', entry);
    equal(await store.xlen('shop:orders'), 3);
    await commander.post(`/apiv2/key/${id}/other?action=delete`);
    equal(await store.exists('other'), 0);
    await commander.post(`/apiv2/keys/${id}/shop:*?action=delete`);
    await until(async () => (await store.dbsize()) === 0, 'all keys below the prefix are gone');
}

async function commandLine({ commander, store }) {
    await fill(store);
    const run = async (cmd) => (await commander.post(`/apiv2/exec/${commander.id}`, { cmd })).data;
    equal(await run('XLEN shop:orders'), 3);
    const found = [{ id: '1-0', data: { n: '1-0', x: '\u00fc' } }];
    deepEqual(await run('XRANGE shop:orders 1-0 1-0'), found);
    equal(await run('XGROUP CREATE shop:orders crew 0'), 'OK');
    const { data: commands } = await commander.get('/apiv2/redisCommands');
    ok(commands.length > 50);
}

async function main() {
    const store = connect();
    const commander = await Commander.start();
    const checks = [serverInformation, keysAndTheirValues, changes, commandLine];
    const flush = () => store.flushall();
    const result = await runAll('redis-commander', checks, { commander, store }, flush);
    await commander.stop();
    close([result]);
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
