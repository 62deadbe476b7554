// What the flows in node share: where the server is, waiting, worker processes, what a group is at.
// Each flow is a program of its own: without arguments it checks, with arguments it is a worker.

'use strict';

const { spawn } = require('node:child_process');
const Redis = require('ioredis');
const { assert, server } = require('../node/checks');

const LIMIT_MS = 15_000;
const url = `redis://${server.host}:${server.port}`;

// Returns the first true value of `condition()`.
async function until(condition, what) {
    const deadline = Date.now() + LIMIT_MS;
    for (;;) {
        const value = await condition();
        if (value) return value;
        assert.ok(Date.now() < deadline, `not within ${LIMIT_MS} ms: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

function toObject(flat) {
    const object = {};
    for (let i = 0; i < flat.length; i += 2) object[flat[i]] = flat[i + 1];
    return object;
}

// A plain client, to look at what a library left on the server.
const connect = () => new Redis(url);

async function groupOf(store, stream, group) {
    try {
        const rows = await store.xinfo('GROUPS', stream);
        return rows.map(toObject).find((row) => row.name === group);
    } catch {
        return undefined;
    }
}

// Whether the group has been given every entry and has acknowledged each.
async function untilSettled(store, stream, group) {
    await until(async () => {
        const row = await groupOf(store, stream, group);
        if (!row || row.pending > 0) return false;
        const info = toObject(await store.xinfo('STREAM', stream));
        return info['last-generated-id'] === row['last-delivered-id'];
    }, `${group} is done`);
}

// The field of every entry of a stream, as sorted numbers: what was done, how often.
async function numbers(store, stream, field = 'number') {
    const entries = await store.xrange(stream, '-', '+');
    return entries.map(([, fields]) => Number(toObject(fields)[field])).sort((a, b) => a - b);
}

// The processes of one check.
class Workers {
    constructor(script) {
        this.script = script;
        this.processes = new Map();
    }

    start(name, ...words) {
        const options = { stdio: ['ignore', 2, 2] };
        this.processes.set(name, spawn(process.execPath, [this.script, ...words], options));
    }

    // Ends it and resolves to its exit code.
    end(name, signal) {
        const child = this.processes.get(name);
        this.processes.delete(name);
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.kill(signal);
        return ended;
    }

    async stop(name) {
        assert.equal(await this.end(name, 'SIGTERM'), 0, `exit code of ${name}`);
    }

    async endAll() {
        for (const name of [...this.processes.keys()]) await this.end(name, 'SIGKILL');
    }
}

module.exports = { url, until, toObject, connect, groupOf, untilSettled, numbers, Workers };
