// What managed groups do with entries that fail, and XDLQ, through ioredis; run by ioredis.js in
// RESP2 and RESP3.

'use strict';

const { assert, fails, untilBlocked } = require('./checks');
const {
    toObject, ids, sleep, create, configure, info, fill, read, waitingRead, nack, pending, letters,
    becomes,
} = require('./managed');

const { deepEqual, equal, ok } = assert;
const FIRST = '0-0';
const LETTER_FIELDS = [
    'original_id', 'original_data', 'failed_at', 'consumer', 'stream', 'group', 'delivery_count',
    'reason', 'error',
];

async function dlq(redis, action, ...options) {
    return redis.call('XDLQ', action, 's:dlq', ...options);
}

// Adds entries that this consumer gives up on; their ids.
async function bury(redis, count, consumer = 'a') {
    const added = await fill(redis, count);
    deepEqual(await read(redis, consumer), added);
    equal(await nack(redis, 'FATAL', added, 'ERROR', 'broken'), count);
    return added;
}

async function failuresWaitLongerEachTime({ redis, connect }) {
    await create(redis, 'BACKOFF', 100, 2, 250);
    const added = await fill(redis, 1);
    deepEqual(await read(redis, 'b'), added);
    for (const expectedMs of [100, 200, 250]) {
        const begun = performance.now();
        equal(await nack(redis, 'FAIL', added), 1);
        deepEqual(await waitingRead(connect), added);
        const tookMs = performance.now() - begun;
        ok(tookMs >= expectedMs - 5 && tookMs < expectedMs + 2000, `${tookMs} ms`);
    }
}

async function jitterOnlyShortens({ redis }) {
    await create(redis, 'BACKOFF', 800, 1, 800, 'JITTER', 100);
    const added = await fill(redis, 30);
    await read(redis);
    await nack(redis, 'FAIL', added);
    await sleep(400);
    const early = await read(redis);
    ok(early.length > 0 && early.length < 30, `${early.length} of 30 after half the time`);
    await sleep(410);
    deepEqual([...early, ...await read(redis)].sort(), added);
}

async function delaysAndClaims({ redis, connect }) {
    await create(redis, 'BACKOFF', 60000, 1, 60000);
    const added = await fill(redis, 3);
    await read(redis);
    await nack(redis, 'FAIL', added.slice(0, 1), 'DELAY', 200);
    await nack(redis, 'SILENT', added.slice(1, 2));
    await nack(redis, 'FAIL', added.slice(2));
    deepEqual(await read(redis, 'b'), added.slice(1, 2));
    deepEqual(await waitingRead(connect), added.slice(0, 1));
    equal((await info(redis)).delayed, 1);
    deepEqual((await redis.xautoclaim('s', 'g', 'c', 0, '0'))[1].map(([id]) => id).sort(),
        added.slice(0, 2), 'a scan passes over what is delayed');
    deepEqual(ids(await redis.xclaim('s', 'g', 'c', 0, added[2])), added.slice(2));
    const call = () => nack(redis, 'FATAL', added.slice(0, 1), 'DELAY', 1);
    await fails('syntax error', call);
    await configure(redis, 'BACKOFF', 0);
    await fails('managed group', () => nack(redis, 'FAIL', added.slice(0, 1), 'ERROR', 'why'));
}

async function usedUpEntriesBecomeLetters({ redis, connect }) {
    await create(redis, 'MAXDELIVERIES', 2);
    const begun = Date.now() / 1000;
    const id = await redis.xadd('s', '*', 'order_id', '17', 'amount', '9.90');
    const own = connect();
    const watching = own.xread('BLOCK', 4000, 'STREAMS', 's:dlq', '0');
    await untilBlocked(() => redis.info('clients'));
    deepEqual(await read(redis, 'a'), [id]);
    await nack(redis, 'FAIL', [id], 'ERROR', 'no stock');
    deepEqual(await read(redis, 'b'), [id]);
    await nack(redis, 'FAIL', [id], 'ERROR', 'no funds');
    ok(await watching, 'a reader of the letters is woken');
    own.disconnect();
    const [letter] = await letters(redis);
    deepEqual(Object.keys(letter), LETTER_FIELDS);
    const { failed_at: failedAt, original_data: data, ...rest } = letter;
    ok(Number(failedAt) >= begun - 1 && Number(failedAt) <= Date.now() / 1000 + 1, failedAt);
    deepEqual(JSON.parse(data), { order_id: '17', amount: '9.90' });
    deepEqual(rest, {
        original_id: id, consumer: 'b', stream: 's', group: 'g', delivery_count: '2',
        reason: 'max-deliveries', error: 'no funds',
    });
}

async function timedOutForTheLastTime({ redis }) {
    await create(redis, 'VISIBILITY', 100, 'MAXDELIVERIES', 1, 'DEADLETTER', 'morgue');
    const added = await fill(redis, 2);
    await read(redis, 'silent');
    await redis.xdel('s', added[1]);
    await becomes(() => redis.xlen('morgue'), 1);
    const [letter] = await letters(redis, 'morgue');
    deepEqual([letter.original_id, letter.consumer, letter.error], [added[0], 'silent', '']);
    await becomes(async () => (await info(redis)).vanished, 1);
    deepEqual(await pending(redis), []);
}

async function anyBytesInALetter({ redis }) {
    await create(redis, 'DEADLETTER', 's:dlq');
    await redis.xadd('s', '*', 'a', '1', 'a', '2');
    await redis.xadd('s', '*', 'b', Buffer.from([0xff, 0]));
    const added = await read(redis);
    await nack(redis, 'FATAL', added);
    const data = (await letters(redis)).map((letter) => JSON.parse(letter.original_data));
    deepEqual(data, [[['a', '1'], ['a', '2']], [['b', { b64: '/wA=' }]]]);
}

async function lettersThatNobodyTakes({ redis }) {
    await create(redis, 'DEADLETTER', 'text');
    await redis.set('text', 'this is no stream');
    const added = await fill(redis, 1);
    await read(redis);
    equal(await nack(redis, 'FATAL', added), 1);
    deepEqual(await read(redis, 'b', 'BLOCK', 100), []);
    ok((await info(redis))['dead-letter-failed'] >= 1);
    await redis.del('text');
    await becomes(() => redis.xlen('text'), 1);
    await fails('come back', () => configure(redis, 'DEADLETTER', 's'));
}

async function lettersInPages({ redis }) {
    await create(redis, 'DEADLETTER', 's:dlq');
    const added = await bury(redis, 7);
    const seen = [];
    let cursor = FIRST;
    do {
        const page = await dlq(redis, 'LIST', 'COUNT', 3, 'CURSOR', cursor);
        seen.push(page[0].map(([, fields]) => toObject(fields).original_id));
        equal(page[1], 0);
        [, , cursor] = page;
    } while (cursor !== FIRST);
    deepEqual(seen, [added.slice(0, 3), added.slice(3, 6), added.slice(6)]);
    const [count, skipped, next, appended] = await dlq(redis, 'REQUEUE', 'COUNT', 4);
    deepEqual([count, skipped, appended], [4, 0, 0]);
    deepEqual(await dlq(redis, 'REQUEUE', 'CURSOR', next), [3, 0, FIRST, 0]);
}

async function lettersGivenBack({ redis, connect }) {
    await create(redis, 'MAXDELIVERIES', 3);
    const added = await bury(redis, 2);
    const reader = waitingRead(connect);
    await untilBlocked(() => redis.info('clients'));
    deepEqual(await dlq(redis, 'REQUEUE', 'DRYRUN'), [2, 0, FIRST, 0]);
    equal(await redis.xlen('s:dlq'), 2);
    deepEqual(await dlq(redis, 'REQUEUE'), [2, 0, FIRST, 0]);
    deepEqual(await reader, added);
    deepEqual(await pending(redis), added.map((id) => [id, 'b', 1]));
    await nack(redis, 'FATAL', added);
    await redis.xdel('s', added[0]);
    deepEqual(await dlq(redis, 'REQUEUE'), [2, 0, FIRST, 1], 'what is gone is added anew');
    await nack(redis, 'FATAL', await read(redis));
    await redis.del('s');
    deepEqual(await dlq(redis, 'REQUEUE'), [0, 2, FIRST, 0]);
    deepEqual(await dlq(redis, 'REQUEUE', 'MKSTREAM'), [2, 0, FIRST, 2]);
    equal(await redis.xlen('s'), 2);
}

async function lettersFilteredAndThrownAway({ redis }) {
    await create(redis, 'DEADLETTER', 's:dlq');
    await bury(redis, 2, 'a');
    await bury(redis, 2, 'b');
    const [first] = ids(await redis.xrange('s:dlq', '-', '+'));
    const count = async (...filters) => (await dlq(redis, 'LIST', ...filters))[0].length;
    equal(await count('CONSUMER', 'b', 'REASON', 'fatal', 'GROUP', 'g'), 2);
    equal(await count('REASON', 'max-deliveries'), 0);
    equal(await count('MINAGE', 60000), 0);
    equal(await count('IDS', 2, first, '1-1'), 1);
    deepEqual(await dlq(redis, 'PURGE', 'CONSUMER', 'b', 'DRYRUN'), [2, 0, FIRST]);
    deepEqual(await dlq(redis, 'PURGE', 'CONSUMER', 'b'), [2, 0, FIRST]);
    const note = await redis.xadd('s:dlq', '*', 'note', 'this is no letter');
    deepEqual(await dlq(redis, 'PURGE', 'IDS', 2, first, note), [1, 1, FIRST]);
    deepEqual(await dlq(redis, 'PURGE'), [1, 0, FIRST]);
    deepEqual(await letters(redis), [{ note: 'this is no letter' }]);
    await fails('syntax error', () => dlq(redis, 'LIST', 'DRYRUN'));
    await fails('COUNT must be', () => dlq(redis, 'PURGE', 'COUNT', 1001));
}

module.exports = {
    FAILURES: [
        failuresWaitLongerEachTime, jitterOnlyShortens, delaysAndClaims, usedUpEntriesBecomeLetters,
        timedOutForTheLastTime, anyBytesInALetter, lettersThatNobodyTakes, lettersInPages,
        lettersGivenBack, lettersFilteredAndThrownAway,
    ],
};
