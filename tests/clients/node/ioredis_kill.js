// Managed groups over kill -9, and default policies, through ioredis; run by ioredis.js in RESP2
// and RESP3, each check with a server of its own.

'use strict';

const { assert, newerThanRedis } = require('./checks');
const {
    toObject, create, configure, policy, info, consumers, fill, read, nack, pending, letters,
    becomes,
} = require('./managed');
const { OwnServer } = require('./own_server');

const { deepEqual, equal, ok } = assert;
const FAR = 4102444800000;

// All that a restart must not change, and that a clock does not change either.
async function snapshot(redis) {
    const shown = await info(redis);
    delete shown['oldest-pending-ms'];
    delete shown['oldest-undelivered-ms'];
    return {
        group: { ...shown, policy: toObject(shown.policy) },
        entries: await redis.xrange('s', '-', '+'),
        pending: await pending(redis),
        letters: await redis.xrange('s:dlq', '-', '+'),
        retention: toObject(await redis.call('XCFGGET', 's')),
        scheduled: await redis.call('XSCHEDULE', 'LIST', 's'),
        consumers: await consumers(redis),
    };
}

function withOwnServer(connect, check, ...options) {
    newerThanRedis();
    return OwnServer.during(connect, check, ...options);
}

async function everythingIsThereAfterKill({ connect }) {
    await withOwnServer(connect, async (own) => {
        let { redis } = own;
        await create(redis, 'VISIBILITY', 3600000, 'MAXDELIVERIES', 3, 'BACKOFF', 60000, 1.5, 90000,
            'JITTER', 25, 'MAXINFLIGHT', 4, 'ORDERBY', 'customer', 'CONSUMERTTL', 3600000);
        await redis.call('XCFGSET', 's', 'MAXLEN', 100, 'RETAIN', 'UNACKED');
        await redis.call('XSCHEDULE', 'ADD', 's', 'AT', FAR, 'customer', 'later');
        const added = [];
        for (const name of 'aabbcdef') added.push(await redis.xadd('s', '*', 'customer', name));
        deepEqual(await read(redis, 'x'), [0, 2, 4, 5].map((n) => added[n]));
        await nack(redis, 'FAIL', [added[0]], 'ERROR', 'no stock');
        await nack(redis, 'FAIL', [added[2]], 'DELAY', 3600000, 'ERROR', 'not yet');
        await nack(redis, 'FATAL', [added[4]], 'ERROR', 'unknown product');
        const before = await snapshot(redis);
        const { held, delayed, 'dead-lettered': dead } = before.group;
        deepEqual([held, delayed, dead], [2, 2, 1]);
        for (let n = 0; n < 2; n += 1) {
            redis = await own.restart();
            deepEqual(await snapshot(redis), before);
        }
        equal(await redis.xgroup('SKIP', 's', 'g', added[0]), 1);
        deepEqual(await read(redis, 'y', 'COUNT', 2), [added[1], added[6]]);
    });
}

async function whatFellDueMeanwhileHappens({ connect }) {
    await withOwnServer(connect, async (own) => {
        let { redis } = own;
        await create(redis, 'VISIBILITY', 600, 'MAXDELIVERIES', 2);
        const added = await fill(redis, 4);
        await read(redis, 'dead', 'COUNT', 3);
        await nack(redis, 'FAIL', added.slice(0, 1), 'DELAY', 500, 'ERROR', 'why');
        await redis.xclaim('s', 'g', 'dead', 0, added[1], 'RETRYCOUNT', 2);
        await redis.call('XSCHEDULE', 'ADD', 's', 'DELAY', 500, 'n', 'late');
        await fill(redis, 3, 'old');
        await redis.call('XCFGSET', 'old', 'MAXAGE', 500);
        redis = await own.restart(700);
        await becomes(() => redis.xlen('s:dlq'), 1);
        const [letter] = await letters(redis);
        deepEqual([letter.original_id, letter.consumer, letter.reason],
            [added[1], 'dead', 'max-deliveries']);
        await becomes(() => redis.xlen('s'), 5);
        await becomes(() => redis.xlen('old'), 0);
        const [late] = (await redis.xrevrange('s', '+', '-', 'COUNT', 1))[0];
        deepEqual(await read(redis, 'b'), [added[0], added[2], added[3], late]);
    });
}

async function aDelayGoesOnAfterKill({ connect }) {
    await withOwnServer(connect, async (own) => {
        const { redis } = own;
        await create(redis, 'VISIBILITY', 60000);
        const added = await fill(redis, 2);
        deepEqual(await read(redis, 'dead'), added);
        await nack(redis, 'FAIL', added.slice(0, 1), 'DELAY', 1000);
        const again = await own.restart();
        const begun = performance.now();
        deepEqual(await read(again, 'b', 'BLOCK', 4000), added.slice(0, 1));
        ok(performance.now() - begun < 3000, 'soon after its delay');
    });
}

async function whatWasDecidedStaysSo({ connect }) {
    await withOwnServer(connect, async (own) => {
        let { redis } = own;
        await create(redis, 'DEADLETTER', 's:dlq');
        const added = await fill(redis, 3);
        await read(redis);
        await nack(redis, 'FATAL', added, 'ERROR', 'broken');
        equal((await redis.call('XDLQ', 'REQUEUE', 's:dlq', 'COUNT', 1))[0], 1);
        equal((await redis.call('XDLQ', 'PURGE', 's:dlq', 'COUNT', 1))[0], 1);
        await configure(redis, 'PAUSED', 1);
        redis = await own.restart();
        deepEqual((await letters(redis)).map((letter) => letter.original_id), added.slice(2));
        deepEqual(await read(redis, 'b', 'BLOCK', 100), []);
        await configure(redis, 'PAUSED', 0);
        deepEqual(await read(redis, 'b'), added.slice(0, 1));
        redis = await own.restart();
        deepEqual(await pending(redis), [[added[0], 'b', 1]]);
    });
}

async function defaultPoliciesOfTheConfiguration({ connect }) {
    const rule = 'orders:* workers VISIBILITY 150 MAXDELIVERIES 2 DEADLETTER orders:dead';
    await withOwnServer(connect, async (own) => {
        const { redis } = own;
        await redis.xgroup('CREATE', 'orders:eu', 'workers', '0', 'MKSTREAM');
        await redis.xgroup('CREATE', 'invoices', 'workers', '0', 'MKSTREAM');
        ok(!('policy' in await info(redis, 'invoices', 'workers')));
        const id = await redis.xadd('orders:eu', '*', 'order_id', 1);
        // A program written for Redis that never claims anything.
        for (const consumer of ['dead', 'other']) {
            const reader = ['GROUP', 'workers', consumer, 'BLOCK', 3000];
            const reply = await redis.xreadgroup(...reader, 'STREAMS', 'orders:eu', '>');
            equal(reply[0][1][0][0], id);
        }
        await becomes(() => redis.xlen('orders:dead'), 1);
        const again = await own.restart();
        equal((await policy(again, 'orders:eu', 'workers')).VISIBILITY, 150, 'it is the group\'s');
    }, '--group-policy', rule);
}

module.exports = {
    KILLS: [
        everythingIsThereAfterKill, whatFellDueMeanwhileHappens, aDelayGoesOnAfterKill,
        whatWasDecidedStaysSo, defaultPoliciesOfTheConfiguration,
    ],
};
