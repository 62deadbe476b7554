// Managed groups through ioredis: items, redelivery, FENCE, PAUSED, MAXINFLIGHT, ORDERBY and SKIP,
// CONSUMERTTL; run by ioredis.js in RESP2 and RESP3.

'use strict';

const { assert, fails, untilBlocked } = require('./checks');
const {
    toObject, sleep, create, configure, policy, info, consumers, fill, read, waitingRead, nack,
    pending, becomes,
} = require('./managed');

const { deepEqual, equal, ok } = assert;

const GIVEN = {
    VISIBILITY: 30000, MAXDELIVERIES: 5, DEADLETTER: 'morgue', BACKOFF: '100 1.5 2000', JITTER: 20,
    MAXINFLIGHT: 10, ORDERBY: 'customer', CONSUMERTTL: 60000, DELCONSUMER: 'DROP', PAUSED: 1,
};
// What XINFO GROUPS shows of a managed group behind all that it shows in Redis.
const SHOWN_LAST = [
    'policy', 'delivered', 'acked', 'nacked', 'redelivered', 'dead-lettered', 'dead-letter-failed',
    'vanished', 'dropped', 'in-flight', 'held', 'delayed', 'oldest-pending-ms',
    'oldest-undelivered-ms', 'blocked-by',
];

const isBlocked = (redis) => untilBlocked(() => redis.info('clients'));

async function ofCustomers(redis, names) {
    const added = [];
    for (const name of names) added.push(await redis.xadd('s', '*', 'customer', name));
    return added;
}

async function itemsOfAPolicy({ redis }) {
    const words = Object.entries(GIVEN).flatMap(([item, value]) => [item, value]);
    const at = words.indexOf('BACKOFF') + 1;
    words.splice(at, 1, ...words[at].split(' '));
    equal(await create(redis, ...words), 'OK');
    deepEqual(await policy(redis), GIVEN);
    const shown = await info(redis);
    deepEqual(Object.keys(shown).slice(-SHOWN_LAST.length), SHOWN_LAST);
    deepEqual(toObject(shown.policy), GIVEN);
    await redis.xgroup('CREATE', 's', 'plain', '0');
    ok(!('policy' in await info(redis, 's', 'plain')), 'a plain group looks as in Redis');
    equal(await configure(redis, ...Object.keys(GIVEN).flatMap((item) => [item, 'NONE'])), 'OK');
    ok(!('policy' in await info(redis)), 'nothing is left of it');
    const wrong = [
        ['VISIBILITY', 10, 'COLOUR', 'red'], ['VISIBILITY', 10, 'VISIBILITY', 20],
        ['VISIBILITY', 'soon'], ['VISIBILITY', 10, 'BACKOFF', 100, 2],
    ];
    for (const items of wrong) await fails('policy item', () => configure(redis, ...items));
    ok(!('policy' in await info(redis)), 'nothing was set');
}

async function deliveredAgain({ redis, connect }) {
    await create(redis, 'VISIBILITY', 400);
    const added = await fill(redis, 1);
    deepEqual(await read(redis, 'dead'), added);
    deepEqual(await read(redis, 'b'), []);
    deepEqual(await waitingRead(connect), added);
    deepEqual(await pending(redis), [[added[0], 'b', 2]]);
    equal(await redis.xack('s', 'g', ...added), 1);
    deepEqual(await read(redis, 'b', 'BLOCK', 300), []);
}

async function deletedConsumers({ redis, connect }) {
    await create(redis, 'DELCONSUMER', 'RELEASE');
    const added = await fill(redis, 1);
    await read(redis, 'gone');
    const reader = waitingRead(connect);
    await isBlocked(redis);
    equal(await redis.xgroup('DELCONSUMER', 's', 'g', 'gone'), 1);
    deepEqual(await reader, added);
    await configure(redis, 'DELCONSUMER', 'DROP');
    equal(await redis.xgroup('DELCONSUMER', 's', 'g', 'b'), 1);
    deepEqual(await pending(redis), []);
}

async function paused({ redis, connect }) {
    await create(redis, 'PAUSED', 1);
    const added = await fill(redis, 1);
    deepEqual(await read(redis), []);
    const reader = waitingRead(connect);
    await isBlocked(redis);
    equal((await info(redis))['blocked-by'], 'paused');
    await configure(redis, 'PAUSED', 0);
    deepEqual(await reader, added);
}

async function fenced({ redis }) {
    await create(redis, 'VISIBILITY', 50);
    const added = await fill(redis, 2);
    await read(redis, 'slow');
    await sleep(100);
    deepEqual(await read(redis, 'quick', 'COUNT', 1), added.slice(0, 1));
    const extend = ['XCLAIM', 's', 'g', 'slow', 0, ...added, 'JUSTID', 'FENCE'];
    deepEqual(await redis.call(...extend), added.slice(1));
    equal(await redis.call('XACK', 's', 'g', 'FENCE', 'slow', ...added), 1);
    equal(await redis.call('XACK', 's', 'g', 'FENCE', 'quick', 'ATTEMPT', 1, added[0]), 0);
    equal(await redis.call('XACK', 's', 'g', 'FENCE', 'quick', 'ATTEMPT', 2, added[0]), 1);
}

async function limitedInFlight({ redis, connect }) {
    await create(redis, 'MAXINFLIGHT', 2, 'VISIBILITY', 60000);
    const added = await fill(redis, 3);
    deepEqual(await read(redis, 'a'), added.slice(0, 2));
    deepEqual(await read(redis, 'b'), []);
    equal((await info(redis))['blocked-by'], 'max-in-flight');
    const reader = waitingRead(connect);
    await isBlocked(redis);
    equal(await redis.xack('s', 'g', added[0]), 1);
    deepEqual(await reader, added.slice(2));
    await fails('NOACK', () => read(redis, 'b', 'NOACK'));
}

async function inOrderOfEachCustomer({ redis, connect }) {
    await create(redis, 'ORDERBY', 'customer', 'BACKOFF', 200, 1, 200, 'MAXDELIVERIES', 2);
    const added = await ofCustomers(redis, 'aabb');
    deepEqual(await read(redis, 'x'), [added[0], added[2]]);
    const shown = await info(redis);
    deepEqual([shown.held, shown.lag, shown.pending], [2, 2, 2]);
    let reader = waitingRead(connect, 'y');
    await isBlocked(redis);
    await redis.xack('s', 'g', added[2]);
    deepEqual(await reader, [added[3]]);
    await nack(redis, 'FAIL', [added[0]]);
    deepEqual(await read(redis, 'y'), []);
    deepEqual(await waitingRead(connect, 'y'), [added[0]]);
    reader = waitingRead(connect, 'y');
    await isBlocked(redis);
    await nack(redis, 'FAIL', [added[0]]);
    deepEqual(await reader, [added[1]], 'a dead letter lets the next one go');
}

async function skipped({ redis, connect }) {
    await create(redis, 'ORDERBY', 'customer');
    const added = await ofCustomers(redis, 'aaa');
    const skip = (id) => redis.xgroup('SKIP', 's', 'g', id);
    deepEqual(await read(redis, 'x'), added.slice(0, 1));
    equal(await skip(added[1]), 1);
    equal(await skip(added[1]), 0);
    await fails('work', () => skip(added[0]));
    await nack(redis, 'FAIL', added.slice(0, 1), 'DELAY', 60000);
    const reader = waitingRead(connect, 'y');
    await isBlocked(redis);
    equal(await skip(added[0]), 1);
    deepEqual(await reader, added.slice(2));
}

async function consumersThatAreGone({ redis, connect }) {
    await create(redis, 'CONSUMERTTL', 150);
    await fill(redis, 1);
    await read(redis, 'owner');
    await redis.xgroup('CREATECONSUMER', 's', 'g', 'gone');
    const reader = waitingRead(connect, 'waits', 1000);
    await isBlocked(redis);
    await becomes(() => consumers(redis), ['owner', 'waits']);
    await sleep(250);
    deepEqual(await consumers(redis), ['owner', 'waits']);
    await redis.xack('s', 'g', ...(await pending(redis)).map((row) => row[0]));
    deepEqual(await reader, []);
    await becomes(() => consumers(redis), []);
}

module.exports = {
    POLICIES: [
        itemsOfAPolicy, deliveredAgain, deletedConsumers, paused, fenced, limitedInFlight,
        inOrderOfEachCustomer, skipped, consumersThatAreGone,
    ],
};
