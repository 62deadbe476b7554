// What a stream keeps (XCFGSET) and what it gets later (XSCHEDULE), through ioredis; run by
// ioredis.js in RESP2 and RESP3.

'use strict';

const { assert, newerThanRedis, fails, untilBlocked } = require('./checks');
const { toObject, ids, fill, read, waitingRead, becomes } = require('./managed');

const { deepEqual, equal, ok } = assert;
const FAR = 4102444800000;

async function keep(redis, ...items) {
    newerThanRedis();
    return redis.call('XCFGSET', 's', ...items);
}

async function schedule(redis, action, ...words) {
    newerThanRedis();
    return redis.call('XSCHEDULE', action, 's', ...words);
}

const values = async (redis) => (await redis.xrange('s', '-', '+')).map(([, fields]) => fields[1]);

async function streamOfLimitedLength({ redis }) {
    await fill(redis, 1);
    equal(await keep(redis, 'MAXLEN', 3), 'OK');
    const added = await fill(redis, 5);
    deepEqual(ids(await redis.xrange('s', '-', '+')), added.slice(-3));
    const shown = toObject(await redis.xinfo('STREAM', 's'));
    equal(Object.keys(shown).at(-1), 'retention');
    equal(toObject(shown.retention).MAXLEN, 3);
    equal(toObject(await redis.call('XCFGGET', 's')).MAXLEN, 3);
    await fails('multiple times', () => keep(redis, 'MAXLEN', 1, 'MAXLEN', 2));
    const contradiction = ['RETAIN', 'UNACKED', 'OVERFLOW', 'DROP'];
    await fails('contradicts', () => keep(redis, ...contradiction));
}

async function fullQueueTellsItsProducer({ redis, connect }) {
    await redis.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM');
    await keep(redis, 'MAXLEN', 2, 'RETAIN', 'UNACKED');
    const added = await fill(redis, 2);
    await fails('STREAMFULL', () => fill(redis, 1));
    deepEqual(await read(redis), added);
    const reader = waitingRead(connect);
    await untilBlocked(() => redis.info('clients'));
    equal(await redis.xack('s', 'g', added[0]), 1);
    const third = await fill(redis, 1);
    deepEqual(await reader, third);
    equal(await redis.xlen('s'), 2);
}

async function workQueueEmptiesItself({ redis }) {
    await redis.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM');
    await keep(redis, 'RETAIN', 'UNACKED');
    const added = await fill(redis, 10);
    await read(redis);
    await redis.xack('s', 'g', ...added.slice(0, 9));
    await becomes(() => redis.xlen('s'), 1);
    await redis.xack('s', 'g', added[9]);
    await becomes(() => redis.xlen('s'), 0);
}

async function limitsOfAgeAndBytes({ redis }) {
    await fill(redis, 3);
    await keep(redis, 'MAXAGE', 100);
    await becomes(() => redis.xlen('s'), 0);
    await keep(redis, 'MAXAGE', 0, 'MAXBYTES', 10, 'OVERFLOW', 'REJECT');
    await fill(redis, 5);
    await fails('STREAMFULL', () => fill(redis, 1));
    equal(toObject(await redis.xinfo('STREAM', 's')).bytes, 10);
}

async function appendedAtItsTime({ redis, connect }) {
    newerThanRedis();
    const own = connect();
    const reading = own.xread('BLOCK', 4000, 'STREAMS', 's', '$');
    await untilBlocked(() => redis.info('clients'));
    const begun = performance.now();
    await schedule(redis, 'ADD', 'DELAY', 200, 'v', 'later');
    equal(await redis.xlen('s'), 0);
    await reading;
    ok(performance.now() - begun >= 195, 'after its delay');
    deepEqual(await values(redis), ['later']);
    own.disconnect();
}

async function scheduleListedCancelledAndRun({ redis }) {
    const tokens = [];
    for (let n = 0; n < 4; n += 1) {
        tokens.push(await schedule(redis, 'ADD', 'AT', FAR + (n % 2), 'v', n));
    }
    const [cursor, entries] = await schedule(redis, 'LIST', 'COUNT', 3);
    deepEqual(ids(entries), [tokens[0], tokens[2], tokens[1]]);
    deepEqual(entries[0], [tokens[0], FAR, ['v', '0']]);
    deepEqual(await schedule(redis, 'LIST', 'CURSOR', cursor),
        ['0', [[tokens[3], FAR + 1, ['v', '3']]]]);
    equal(await schedule(redis, 'CANCEL', tokens[2], tokens[2]), 1);
    const shown = toObject(await redis.xinfo('STREAM', 's'));
    deepEqual([shown.scheduled, shown['next-due-ms']], [3, FAR]);
    equal(await schedule(redis, 'RUN', tokens[3], tokens[2], tokens[0]), 2);
    deepEqual(await values(redis), ['3', '0']);
    await fails('token', () => schedule(redis, 'CANCEL', 'yesterday'));
    const replies = await redis.multi()
        .call('XSCHEDULE', 'ADD', 's', 'DELAY', 0, 'v', 'now').xlen('s').exec();
    equal(replies[0][0], null);
    await becomes(() => redis.xlen('s'), 3);
}

module.exports = {
    KEEPING: [
        streamOfLimitedLength, fullQueueTellsItsProducer, workQueueEmptiesItself,
        limitsOfAgeAndBytes, appendedAtItsTime, scheduleListedCancelledAndRun,
    ],
};
