// What both node clients share: where the server is, the line per check, calls that must fail.
// The lines are counted by run.py; their form is described in harness/checks.py.

'use strict';

const assert = require('node:assert/strict');

const CHECK_LIMIT_MS = 20_000;

const server = {
    host: process.env.MILLSTREAM_TEST_HOST,
    port: Number(process.env.MILLSTREAM_TEST_PORT),
    isRedis: process.env.MILLSTREAM_TEST_KIND === 'redis',
};

class Skip extends Error {}

// For commands that the real Redis we have does not know yet.
function newerThanRedis() {
    if (server.isRedis) throw new Skip('this Redis is older than the command');
}

async function fails(text, call) {
    await assert.rejects(call, (error) => {
        assert.ok(error.message.includes(text), `refused with "${error.message}", not "${text}"`);
        return true;
    });
}

// Returns the first true value of `condition()`.
async function until(condition) {
    const deadline = Date.now() + CHECK_LIMIT_MS / 2;
    for (;;) {
        const value = await condition();
        if (value) return value;
        assert.ok(Date.now() < deadline, 'it did not come true in time');
        await new Promise((resolve) => setTimeout(resolve, 10));
    }
}

// Returns when INFO says that `count` clients are blocked.
async function untilBlocked(readInfo, count = 1) {
    await until(async () => {
        const blocked = /^blocked_clients:(\d+)/m.exec(await readInfo());
        assert.ok(blocked, 'INFO clients has blocked_clients');
        return Number(blocked[1]) >= count;
    });
}

function within(limitMs, promise) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`took more than ${limitMs} ms`)), limitMs);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Runs the functions of `checks` in order, each on an empty server, and exits the process.
async function runAll(label, checks, context, flush) {
    let count = 0;
    let failed = 0;
    for (const check of checks) {
        const name = `${label}: ${check.name.replace(/[A-Z]/g, (c) => ' ' + c.toLowerCase())}`;
        count += 1;
        try {
            await flush();
            await within(CHECK_LIMIT_MS, check(context));
            console.log(`ok - ${name}`);
        } catch (error) {
            if (error instanceof Skip) {
                console.log(`skip - ${name}: ${error.message}`);
                continue;
            }
            failed += 1;
            const reason = String(error.message).split('\n').join(' | ');
            const place = (error.stack.match(/at .*(redis|redis_\w+|_flow)\.js:\d+/) || [''])[0];
            console.log(`not ok - ${name}: ${reason} ${place}`);
        }
    }
    return { count, failed };
}

function close(results) {
    const sum = (field) => results.reduce((total, one) => total + one[field], 0);
    console.log(`done ${sum('count')}`);
    process.exit(sum('failed') ? 1 : 0);
}

module.exports = {
    assert, server, newerThanRedis, fails, until, untilBlocked, within, runAll, close,
};
