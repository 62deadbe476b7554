// Every stream command through node-redis, in RESP2 and RESP3.

'use strict';

const { createClient } = require('redis');
const { assert, server, newerThanRedis, fails, untilBlocked, runAll, close } = require('./checks');
const { OPERATIONS, unixSocket } = require('./node_redis_operations');
const { OPTIONS } = require('./node_redis_options');

const { deepEqual, equal, ok } = assert;
// Replies of node-redis are objects without a prototype; only what they hold is compared.
const plain = (value) => (value === null ? null : JSON.parse(JSON.stringify(value)));
const ids = (entries) => entries.map((entry) => entry.id);

async function connect(RESP, options = {}) {
    const socket = { host: server.host, port: server.port, reconnectStrategy: false };
    const password = process.env.MILLSTREAM_TEST_PASSWORD || undefined;
    const client = createClient({ RESP, socket, password, ...options });
    client.on('error', () => {});
    return client.connect();
}

async function fill(client, ...list) {
    for (const id of list) await client.xAdd('s', id, { n: id });
}

// Entries 1-0, 2-0, 3-0; consumer `a` of group `g` has read `count` of them.
async function group({ client }, count) {
    await fill(client, '1-0', '2-0', '3-0');
    await client.xGroupCreate('s', 'g', '0');
    if (count) await client.xReadGroup('g', 'a', { key: 's', id: '>' }, { COUNT: count });
}

// XREADGROUP by plain arguments, as [[key, entries]] in both protocols.
async function readRaw(client, ...words) {
    const reply = await client.sendCommand(words);
    return Array.isArray(reply) || reply === null ? reply : Object.entries(reply);
}

async function handshake({ RESP }) {
    const own = await connect(RESP, { name: 'checker', database: 3 });
    equal(own.isReady, true);
    const info = await own.clientInfo();
    equal(info.name, 'checker');
    equal(Number(info.db), 3);
    equal(Number(info.resp), RESP);
    ok(info.libName.startsWith('node-redis'), `library name ${info.libName}`);
    equal(await own.ping(), 'PONG');
    await own.close();
}

async function adding({ client }) {
    ok(/^\d+-\d+$/.test(await client.xAdd('s', '*', { a: '1', b: '2' })));
    equal(await client.xAddNoMkStream('none', '*', { a: '1' }), null);
    equal(await client.xAdd('t', '5-*', { a: '1' }), '5-0');
    const TRIM = { strategy: 'MAXLEN', strategyModifier: '=', threshold: 1 };
    equal(await client.xAdd('t', '6-0', { a: '1' }, { TRIM }), '6-0');
    equal(await client.xLen('t'), 1);
    const once = ['XADD', 's', 'IDMP', 'p', 'one', '*', 'x', '1'];
    const first = await client.sendCommand(once);
    equal(await client.sendCommand(once), first);
    equal(await client.sendCommand(['XCFGSET', 's', 'IDMP-MAXSIZE', '9']), 'OK');
    equal(await client.sendCommand(['XIDMPRECORD', 's', 'p', 'two', first]), 'OK');
    equal(await client.xLen('s'), 2);
    await fails('equal or smaller', () => client.xAdd('t', '6-0', { a: '1' }));
}

async function ranges({ client }) {
    await fill(client, '1-0', '2-0', '3-0');
    deepEqual(plain(await client.xRange('s', '2', '+', { COUNT: 1 })), [
        { id: '2-0', message: { n: '2-0' } },
    ]);
    deepEqual(ids(await client.xRevRange('s', '(3-0', '-')), ['2-0', '1-0']);
}

async function deleting(context) {
    const { client } = context;
    await group(context, 2);
    equal(await client.xDel('s', ['1-0', '9-0']), 1);
    deepEqual(await client.xDelEx('s', ['2-0', '9-0'], 'DELREF'), [1, -1]);
    deepEqual(await client.xDelEx('s', '3-0', 'ACKED'), [2]);
    equal(await client.xTrim('s', 'MAXLEN', 0), 1);
    equal(await client.xSetId('s', '20-0'), 'OK');
    equal(await client.type('s'), 'stream');
}

async function reading({ client }) {
    await fill(client, '1-0', '2-0');
    const reply = plain(await client.xRead({ key: 's', id: '0' }, { COUNT: 1 }));
    equal(reply[0].name, 's');
    deepEqual(reply[0].messages, [{ id: '1-0', message: { n: '1-0' } }]);
    equal(await client.xRead({ key: 's', id: '$' }), null);
}

async function readingWithABudget({ client }) {
    newerThanRedis();
    await fill(client, '1-0', '2-0', '3-0');
    const words = ['XREAD', 'COUNT', '2', 'MAXCOUNT', '2', 'STREAMS', 's', '0'];
    deepEqual((await readRaw(client, ...words))[0][1].map((entry) => entry[0]), ['1-0', '2-0']);
}

async function groups({ client }) {
    equal(await client.xGroupCreate('s', 'g', '$', { MKSTREAM: true }), 'OK');
    await fails('BUSYGROUP', () => client.xGroupCreate('s', 'g', '$'));
    equal(await client.xGroupCreateConsumer('s', 'g', 'a'), 1);
    await fill(client, '1-0');
    equal(await client.xGroupSetId('s', 'g', '0'), 'OK');
    const [info] = await client.xInfoGroups('s');
    equal(info.name, 'g');
    equal(info.lag, 1);
    equal((await client.xInfoConsumers('s', 'g'))[0].name, 'a');
    equal((await client.xInfoStream('s')).length, 1);
    equal(await client.xGroupDelConsumer('s', 'g', 'a'), 0);
    equal(await client.xGroupDestroy('s', 'g'), 1);
    await fails('NOGROUP', () => client.xReadGroup('g', 'a', { key: 's', id: '>' }));
}

async function consuming(context) {
    const { client } = context;
    await group(context, 2);
    const own = await client.xReadGroup('g', 'a', { key: 's', id: '0' });
    deepEqual(ids(own[0].messages), ['1-0', '2-0']);
    await client.xReadGroup('g', 'b', { key: 's', id: '>' }, { NOACK: true });
    equal(await client.xReadGroup('g', 'b', { key: 's', id: '>' }), null);
    equal(await client.xAck('s', 'g', ['1-0', '3-0']), 1);
    deepEqual(await client.xAckDel('s', 'g', ['2-0', '9-0']), [1, -1]);
    equal((await client.xPending('s', 'g')).pending, 0);
}

async function claiming(context) {
    const { client } = context;
    await group(context, 2);
    const summary = plain(await client.xPending('s', 'g'));
    equal(summary.pending, 2);
    equal(summary.consumers[0].name, 'a');
    deepEqual(ids(await client.xClaim('s', 'g', 'b', 0, '1-0')), ['1-0']);
    deepEqual(await client.xClaimJustId('s', 'g', 'b', 0, ['2-0'], { RETRYCOUNT: 7 }), ['2-0']);
    const rows = await client.xPendingRange('s', 'g', '-', '+', 10, { consumer: 'b' });
    deepEqual(rows.map((row) => [row.id, row.deliveriesCounter]), [['1-0', 2], ['2-0', 7]]);
    await client.xDel('s', '1-0');
    const scan = plain(await client.xAutoClaim('s', 'g', 'c', 0, '0-0', { COUNT: 10 }));
    equal(scan.nextId, '0-0');
    deepEqual(ids(scan.messages), ['2-0']);
    deepEqual(scan.deletedMessages, ['1-0']);
    const words = ['XREADGROUP', 'GROUP', 'g', 'd', 'CLAIM', '0', 'STREAMS', 's', '>'];
    const [[, entries]] = await readRaw(client, ...words);
    deepEqual(entries.map((entry) => [entry[0], entry[3]]), [['2-0', 8], ['3-0', 0]]);
}

async function givingBack(context) {
    newerThanRedis();
    await group(context, 2);
    const { client } = context;
    equal(await client.sendCommand(['XNACK', 's', 'g', 'SILENT', 'IDS', '1', '1-0']), 1);
    const row = await client.sendCommand(['XPENDING', 's', 'g', '1-0', '1-0', '1']);
    deepEqual(row, [['1-0', '', -1, 0]]);
}

async function waiting({ client, RESP }) {
    const reader = await connect(RESP);
    await client.xGroupCreate('s', 'g', '$', { MKSTREAM: true });
    const read = reader.xReadGroup('g', 'a', { key: 's', id: '>' }, { BLOCK: 4000 });
    await untilBlocked(() => client.info('clients'));
    await client.xAdd('s', '1-0', { a: '1' });
    deepEqual(ids((await read)[0].messages), ['1-0']);
    equal(await reader.xRead({ key: 's', id: '$' }, { BLOCK: 100 }), null);
    await reader.close();
}

async function transactions({ client, RESP }) {
    const replies = await client.multi()
        .xAdd('s', '1-0', { a: '1' }).xGroupCreate('s', 'g', '0').xLen('s').exec();
    deepEqual(replies, ['1-0', 'OK', 1]);
    await client.watch('s');
    const other = await connect(RESP);
    await other.xAdd('s', '2-0', { a: '1' });
    await other.close();
    await assert.rejects(client.multi().xAdd('s', '3-0', { a: '1' }).exec());
    equal(await client.xLen('s'), 2);
}

async function keyspace({ client }) {
    await client.set('text', '41');
    equal(await client.incr('text'), 42);
    await client.xAdd('s', '*', { a: '1' });
    deepEqual((await client.keys('*')).sort(), ['s', 'text']);
    const found = [];
    for await (const keys of client.scanIterator({ COUNT: 10 })) found.push(...[].concat(keys));
    deepEqual(found.sort(), ['s', 'text']);
    equal(await client.expire('text', 100), 1);
    equal(await client.del(['s', 'text']), 2);
}

const CHECKS = [
    handshake, adding, ranges, deleting, reading, readingWithABudget, groups, consuming, claiming,
    givingBack, waiting, transactions, keyspace, ...OPTIONS, ...OPERATIONS,
];

async function main() {
    const results = [];
    for (const RESP of [2, 3]) {
        const client = await connect(RESP);
        const flush = () => client.flushAll();
        const checks = process.env.MILLSTREAM_TEST_SOCKET ? [unixSocket] : CHECKS;
        const context = { client, RESP, connect: (options) => connect(RESP, options) };
        results.push(await runAll(`node-redis resp${RESP}`, checks, context, flush));
    }
    close(results);
}

main();
