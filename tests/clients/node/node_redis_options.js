// Each option of the stream commands through the methods of node-redis; run by node_redis.js in
// RESP2 and RESP3. As broad as the tests of streams in its own repository, which its package does
// not contain.

'use strict';

const { RESP_TYPES } = require('redis');
const { assert, newerThanRedis, fails } = require('./checks');

const { deepEqual, equal, ok } = assert;
const plain = (value) => (value === null ? null : JSON.parse(JSON.stringify(value)));
const ids = (entries) => entries.map((entry) => entry.id);

// Entries 1-0 to 4-0, of which consumer `a` of group `g` has read the first two; `h` has read all
// and acknowledged 1-0.
async function twoGroups(client) {
    for (const id of ['1-0', '2-0', '3-0', '4-0']) await client.xAdd('s', id, { n: id });
    await client.xGroupCreate('s', 'g', '0');
    await client.xGroupCreate('s', 'h', '0');
    await client.xReadGroup('g', 'a', { key: 's', id: '>' }, { COUNT: 2 });
    await client.xReadGroup('h', 'a', { key: 's', id: '>' });
    await client.xAck('s', 'h', '1-0');
}

const rows = (client, name, options) => client.xPendingRange('s', name, '-', '+', 10, options);
const pending = async (client, name) => ids(await rows(client, name));
const kept = async (client) => ids(await client.xRange('s', '-', '+'));

async function addingOnce({ client }) {
    const add = (n, options) => client.xAdd('s', '*', { n }, options);
    const first = await add('1', { IDMPAUTO: { pid: 'p' } });
    equal(await add('1', { IDMPAUTO: { pid: 'p' } }), first);
    ok((await add('2', { IDMPAUTO: { pid: 'p' } })) !== first);
    const IDMP = { pid: 'p', iid: 'x' };
    const TRIM = { strategy: 'MAXLEN', strategyModifier: '=', threshold: 2 };
    const other = await add('3', { IDMP, policy: 'KEEPREF', TRIM });
    equal(await add('4', { IDMP, policy: 'ACKED' }), other);
    equal(await client.xLen('s'), 2);
    equal(await client.xCfgSet('s', { IDMP_DURATION: 60, IDMP_MAXSIZE: 9 }), 'OK');
    const info = await client.xInfoStream('s');
    deepEqual([info['idmp-duration'], info['idmp-maxsize']], [60, 9]);
}

async function addingTrimsAsTold({ client }) {
    await twoGroups(client);
    const add = (id, strategy, threshold, policy, more) => client.xAdd('s', id, { n: id }, {
        TRIM: { strategy, strategyModifier: '=', threshold, policy, ...more },
    });
    // 1-0 is pending in one group, so it is not acknowledged by all.
    await add('5-0', 'MAXLEN', 4, 'ACKED');
    equal(await client.xLen('s'), 5);
    await add('6-0', 'MAXLEN', 5, 'DELREF');
    deepEqual(await pending(client, 'g'), ['2-0']);
    await add('7-0', 'MINID', '3-0', 'KEEPREF');
    deepEqual(await kept(client), ['3-0', '4-0', '5-0', '6-0', '7-0']);
    deepEqual(await pending(client, 'g'), ['2-0']);
    await add('8-0', 'MAXLEN', 1000, 'DELREF', { strategyModifier: '~', limit: 10 });
    equal(await client.xLen('s'), 6);
}

async function trimming({ client }) {
    equal(await client.xTrim('none', 'MAXLEN', 1), 0);
    await twoGroups(client);
    const roughly = { strategyModifier: '~', LIMIT: 10 };
    equal(await client.xTrim('s', 'MAXLEN', 1000, roughly), 0);
    equal(await client.xTrim('s', 'MINID', 2, { policy: 'DELREF' }), 1);
    deepEqual(await pending(client, 'g'), ['2-0']);
    equal(await client.xTrim('s', 'MINID', '3-0', { policy: 'ACKED' }), 0);
    equal(await client.xTrim('s', 'MINID', '1-0', { ...roughly, policy: 'KEEPREF' }), 0);
    equal(await client.xTrim('s', 'MAXLEN', 0, { strategyModifier: '=' }), 3);
    deepEqual(await pending(client, 'g'), ['2-0']);
}

async function deletingWithReferences({ client }) {
    deepEqual(await client.xDelEx('none', '0-1'), [-1]);
    await twoGroups(client);
    deepEqual(await client.xDelEx('s', ['1-0', '4-0'], 'ACKED'), [2, 2]);
    await client.xAck('s', 'g', '1-0');
    deepEqual(await client.xDelEx('s', '1-0', 'ACKED'), [1]);
    deepEqual(await client.xDelEx('s', '2-0', 'KEEPREF'), [1]);
    deepEqual(await pending(client, 'g'), ['2-0']);
    deepEqual(await client.xDelEx('s', ['2-0', '3-0'], 'DELREF'), [-1, 1]);
    deepEqual(await pending(client, 'h'), ['4-0']);
}

async function acknowledgingAndDeleting({ client }) {
    deepEqual(await client.xAckDel('none', 'g', '0-1'), [-1]);
    await twoGroups(client);
    deepEqual(await client.xAckDel('s', 'g', ['1-0', '2-0'], 'ACKED'), [1, 2]);
    deepEqual(await kept(client), ['2-0', '3-0', '4-0']);
    deepEqual(await client.xAckDel('s', 'h', '2-0', 'DELREF'), [1]);
    deepEqual(await client.xAckDel('s', 'h', ['3-0', '9-0'], 'KEEPREF'), [1, -1]);
    equal(await client.xLen('s'), 1);
}

async function claimingAsTold({ client }) {
    await twoGroups(client);
    const claim = (idle, id, options) => client.xClaim('s', 'g', 'b', idle, id, options);
    deepEqual(ids(await claim(0, ['1-0', '9-0'], { IDLE: 50_000 })), ['1-0']);
    deepEqual(await client.xClaimJustId('s', 'g', 'b', 60_000, '1-0'), []);
    await claim(40_000, '1-0', { TIME: new Date(Date.now() - 90_000) });
    const [row] = await rows(client, 'g', { IDLE: 80_000, consumer: 'b' });
    deepEqual([row.id, row.deliveriesCounter], ['1-0', 3]);
    const idle = row.millisecondsSinceLastDelivery;
    // The server counts on by its monotonic clock, in whole milliseconds of its own.
    ok(idle >= 89_900 && idle < 120_000, `idle for ${idle} ms`);
    deepEqual(await claim(0, '4-0'), []);
    const forced = { RETRYCOUNT: 5, FORCE: true, LASTID: '4-0' };
    deepEqual(ids(await claim(0, '4-0', forced)), ['4-0']);
    equal(await client.xReadGroup('g', 'a', { key: 's', id: '>' }), null);
    const scan = await client.xAutoClaimJustId('s', 'g', 'c', 0, '0-0', { COUNT: 2 });
    deepEqual([scan.nextId, scan.messages], ['4-0', ['1-0', '2-0']]);
    await client.xTrim('s', 'MAXLEN', 0);
    const rest = plain(await client.xAutoClaim('s', 'g', 'c', 0, '0-0'));
    deepEqual(rest, { nextId: '0-0', messages: [], deletedMessages: ['1-0', '2-0', '4-0'] });
}

async function claimingWhileReading({ client }) {
    await twoGroups(client);
    const read = (options) => client.xReadGroup('g', 'b', { key: 's', id: '>' }, options);
    const [{ messages }] = await read({ CLAIM: 0, COUNT: 3 });
    deepEqual(ids(messages), ['1-0', '2-0', '3-0']);
    deepEqual(messages.map((one) => one.deliveriesCounter), [1, 1, 0]);
    equal(typeof messages[0].millisElapsedFromDelivery, 'number');
    const [{ messages: [last] }] = await read({ BLOCK: 1000, NOACK: true });
    deepEqual([last.id, last.deliveriesCounter], ['4-0', undefined]);
    deepEqual(await pending(client, 'g'), ['1-0', '2-0', '3-0']);
}

async function givingBackAsTold({ client }) {
    newerThanRedis();
    await twoGroups(client);
    const nack = (mode, id, options) => client.xNack('s', 'g', mode, id, options);
    const counts = async () => (await rows(client, 'g')).map((row) => row.deliveriesCounter);
    equal(await nack('SILENT', ['1-0', '2-0']), 2);
    deepEqual(await counts(), [0, 0]);
    equal(await nack('FAIL', '1-0', { RETRYCOUNT: 7 }), 1);
    equal(await nack('FATAL', ['2-0', '9-0']), 1);
    const [first, second] = await counts();
    equal(first, 7);
    ok(second > 1_000_000, `a fatal failure counts as ${second} deliveries`);
    equal(await nack('FAIL', '3-0'), 0);
    equal(await nack('FAIL', '3-0', { RETRYCOUNT: 2, FORCE: true }), 1);
    equal((await counts())[2], 2);
}

async function budgets({ client }) {
    newerThanRedis();
    for (const id of ['1-0', '2-0', '3-0']) await client.xAdd('s', id, { n: 'x'.repeat(100) });
    const read = async (options) => ids((await client.xRead({ key: 's', id: '0' }, options))[0]
        .messages);
    deepEqual(await read({ COUNT: 2, MAXCOUNT: 2 }), ['1-0', '2-0']);
    deepEqual(await read({ MAXSIZE: 1 }), ['1-0']);
    await client.xGroupCreate('s', 'g', '0');
    const own = await client.xReadGroup('g', 'a', { key: 's', id: '>' }, { MAXCOUNT: 1 });
    deepEqual(ids(own[0].messages), ['1-0']);
}

async function positions({ client }) {
    await client.xAdd('s', '1-0', { n: '1' });
    const counters = { ENTRIESADDED: 5, MAXDELETEDID: '8-0' };
    equal(await client.xSetId('s', '9-0', counters), 'OK');
    await fails('smaller', () => client.xSetId('s', '7-0'));
    equal(await client.xGroupCreate('s', 'g', '$', { ENTRIESREAD: 3 }), 'OK');
    equal((await client.xInfoGroups('s'))[0].lag, 2);
    equal(await client.xGroupSetId('s', 'g', '9-0', { ENTRIESREAD: 5 }), 'OK');
    equal((await client.xInfoGroups('s'))[0]['entries-read'], 5);
    const stream = await client.xInfoStream('s');
    equal(stream['max-deleted-entry-id'], '8-0');
    equal(stream['entries-added'], 5);
    equal(stream['first-entry'].id, '1-0');
    equal(await client.xAdd('empty', '1-0', { n: '1' }), '1-0');
    await client.xDel('empty', '1-0');
    equal((await client.xInfoStream('empty'))['first-entry'], null);
}

async function severalStreams({ client }) {
    await client.multi().xAdd('s', '1-0', { a: '1' }).xAdd('t', '2-0', { b: '2' }).exec();
    const both = [
        { name: 's', messages: [{ id: '1-0', message: { a: '1' } }] },
        { name: 't', messages: [{ id: '2-0', message: { b: '2' } }] },
    ];
    const streams = (first, second) => [{ key: 's', id: first }, { key: 't', id: second }];
    deepEqual(plain(await client.xRead(streams('0', '0'))), both);
    deepEqual(plain(await client.xRead(streams('+', '2-0'))), [both[0]]);
    for (const key of ['s', 't']) await client.xGroupCreate(key, 'g', '0');
    deepEqual(plain(await client.xReadGroup('g', 'a', streams('>', '>'))), both);
    const own = plain(await client.xReadGroup('g', 'a', streams('0', '5')));
    deepEqual(own, [both[0], { name: 't', messages: [] }]);
}

async function anyBytes({ client }) {
    const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const value = Buffer.from([0, 255, 13, 10, 128]);
    await bytes.xAdd(value, '1-0', { a: value });
    await bytes.xGroupCreate(value, value, '0');
    const [{ messages: [entry] }] = await bytes.xReadGroup(value, value, { key: value, id: '>' });
    deepEqual([...entry.message.a], [...value]);
    deepEqual([...(await bytes.xInfoConsumers(value, value))[0].name], [...value]);
}

module.exports = {
    OPTIONS: [
        addingOnce, addingTrimsAsTold, trimming, deletingWithReferences, acknowledgingAndDeleting,
        claimingAsTold, claimingWhileReading, givingBackAsTold, budgets, positions,
        severalStreams, anyBytes,
    ],
};
