// Every stream command through ioredis in RESP2 and RESP3 (its default), with its ready check
// (which reads INFO), pipelines, MULTI and blocking reads; then all that groups and streams do by
// themselves.

'use strict';

const Redis = require('ioredis');
const { assert, server, newerThanRedis, fails, untilBlocked, runAll, close } = require('./checks');
const { OPERATIONS, unixSocket } = require('./ioredis_operations');
const { FAILURES } = require('./ioredis_failures');
const { KEEPING } = require('./ioredis_keeping');
const { KILLS } = require('./ioredis_kill');
const { OPTIONS } = require('./ioredis_options');
const { POLICIES } = require('./ioredis_policies');

const { deepEqual, equal, ok } = assert;
const ids = (entries) => entries.map((entry) => entry[0]);

function connect(protocol, options = {}) {
    const password = process.env.MILLSTREAM_TEST_PASSWORD || undefined;
    return new Redis({ ...server, password, protocol, maxRetriesPerRequest: 0, ...options });
}

async function fill(redis, ...list) {
    for (const id of list) await redis.xadd('s', id, 'n', id);
}

// Entries 1-0, 2-0, 3-0; consumer `a` of group `g` has read `count` of them.
async function group(redis, count) {
    await fill(redis, '1-0', '2-0', '3-0');
    await redis.xgroup('CREATE', 's', 'g', '0');
    if (count) await redis.xreadgroup('GROUP', 'g', 'a', 'COUNT', count, 'STREAMS', 's', '>');
}

async function readyCheck({ protocol }) {
    const own = connect(protocol, { connectionName: 'checker', db: 2, enableReadyCheck: true });
    await new Promise((resolve, reject) => own.once('ready', resolve).once('error', reject));
    equal(own.status, 'ready');
    equal(await own.client('GETNAME'), 'checker');
    const info = await own.client('INFO');
    ok(info.includes(' db=2 '), 'database from the options');
    ok(info.includes(` resp=${protocol} `), 'protocol from the options');
    ok(info.includes('lib-name=ioredis'), 'CLIENT SETINFO arrived');
    equal(await own.quit(), 'OK');
}

async function adding({ redis }) {
    const first = await redis.xadd('s', '*', 'a', '1', 'b', '2');
    ok(/^\d+-\d+$/.test(first));
    equal(await redis.xadd('none', 'NOMKSTREAM', '*', 'a', '1'), null);
    equal(await redis.xadd('t', '5-*', 'a', '1'), '5-0');
    await redis.xadd('t', 'MAXLEN', '=', 1, '6-0', 'a', '1');
    equal(await redis.xlen('t'), 1);
    await redis.xadd('t', 'MINID', '~', '6-0', 'LIMIT', 10, '7-0', 'a', '1');
    equal(await redis.xadd('s', 'IDMP', 'p', 'one', '*', 'x', '1'),
        await redis.xadd('s', 'IDMP', 'p', 'one', '*', 'x', '2'));
    equal(await redis.call('XCFGSET', 's', 'IDMP-DURATION', '60'), 'OK');
    equal(await redis.call('XIDMPRECORD', 's', 'p', 'two', first), 'OK');
    equal(await redis.xadd('s', 'IDMP', 'p', 'two', '*', 'x', '3'), first);
    equal(await redis.xlen('s'), 2);
    await fails('equal or smaller', () => redis.xadd('t', '7-0', 'a', '1'));
}

async function ranges({ redis }) {
    await fill(redis, '1-0', '2-0', '3-0');
    deepEqual(await redis.xrange('s', '2', '+', 'COUNT', 1), [['2-0', ['n', '2-0']]]);
    deepEqual(ids(await redis.xrevrange('s', '(3-0', '-')), ['2-0', '1-0']);
    deepEqual(await redis.xrange('none', '-', '+'), []);
}

async function deleting({ redis }) {
    await group(redis, 2);
    equal(await redis.xdel('s', '1-0', '9-0'), 1);
    deepEqual(await redis.call('XDELEX', 's', 'DELREF', 'IDS', 2, '2-0', '9-0'), [1, -1]);
    deepEqual(await redis.call('XDELEX', 's', 'ACKED', 'IDS', 1, '3-0'), [2]);
    equal(await redis.xtrim('s', 'MAXLEN', 0), 1);
    equal(await redis.xsetid('s', '20-0'), 'OK');
    equal(await redis.type('s'), 'stream');
}

async function reading({ redis }) {
    await fill(redis, '1-0', '2-0');
    deepEqual(await redis.xread('COUNT', 1, 'STREAMS', 's', '0'), [
        ['s', [['1-0', ['n', '1-0']]]],
    ]);
    equal(await redis.xread('STREAMS', 's', '$'), null);
    const buffers = await redis.xreadBuffer('STREAMS', 's', '1-0');
    ok(Buffer.isBuffer(buffers[0][1][0][0]), 'the Buffer twin of a method answers in buffers');
}

async function readingWithABudget({ redis }) {
    newerThanRedis();
    await fill(redis, '1-0', '2-0', '3-0');
    const budget = ['COUNT', 2, 'MAXCOUNT', 2, 'MAXSIZE', 1];
    const reply = await redis.xread(...budget, 'STREAMS', 's', '0');
    deepEqual(ids(reply[0][1]), ['1-0']);
}

async function groups({ redis }) {
    equal(await redis.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM'), 'OK');
    await fails('BUSYGROUP', () => redis.xgroup('CREATE', 's', 'g', '$'));
    equal(await redis.xgroup('CREATECONSUMER', 's', 'g', 'a'), 1);
    await fill(redis, '1-0');
    equal(await redis.xgroup('SETID', 's', 'g', '0', 'ENTRIESREAD', 0), 'OK');
    const [info] = await redis.xinfo('GROUPS', 's');
    const lag = ['last-delivered-id', '0-0', 'entries-read', 0, 'lag', 1];
    deepEqual(info, ['name', 'g', 'consumers', 1, 'pending', 0, ...lag]);
    const [consumer] = await redis.xinfo('CONSUMERS', 's', 'g');
    deepEqual(consumer.slice(0, 5), ['name', 'a', 'pending', 0, 'idle']);
    const stream = await redis.xinfo('STREAM', 's', 'FULL');
    equal(stream[stream.indexOf('length') + 1], 1);
    equal(await redis.xgroup('DELCONSUMER', 's', 'g', 'a'), 0);
    equal(await redis.xgroup('DESTROY', 's', 'g'), 1);
    await fails('NOGROUP', () => redis.xreadgroup('GROUP', 'g', 'a', 'STREAMS', 's', '>'));
}

async function consuming({ redis }) {
    await group(redis, 2);
    const own = await redis.xreadgroup('GROUP', 'g', 'a', 'STREAMS', 's', '0');
    deepEqual(ids(own[0][1]), ['1-0', '2-0']);
    deepEqual(await redis.xreadgroup('GROUP', 'g', 'b', 'STREAMS', 's', '0'), [['s', []]]);
    await redis.xreadgroup('GROUP', 'g', 'b', 'NOACK', 'STREAMS', 's', '>');
    equal(await redis.xreadgroup('GROUP', 'g', 'b', 'STREAMS', 's', '>'), null);
    equal(await redis.xack('s', 'g', '1-0', '3-0'), 1);
    deepEqual(await redis.call('XACKDEL', 's', 'g', 'IDS', 2, '2-0', '9-0'), [1, -1]);
    deepEqual(await redis.xpending('s', 'g'), [0, null, null, null]);
}

async function claiming({ redis }) {
    await group(redis, 2);
    deepEqual(await redis.xpending('s', 'g'), [2, '1-0', '2-0', [['a', '2']]]);
    deepEqual(await redis.xclaim('s', 'g', 'b', 0, '1-0'), [['1-0', ['n', '1-0']]]);
    deepEqual(await redis.xclaim('s', 'g', 'b', 0, '2-0', 'RETRYCOUNT', 7, 'JUSTID'), ['2-0']);
    const rows = await redis.xpending('s', 'g', 'IDLE', 0, '-', '+', 10, 'b');
    deepEqual(rows.map((row) => [row[0], row[1], row[3]]), [['1-0', 'b', 2], ['2-0', 'b', 7]]);
    await redis.xdel('s', '1-0');
    deepEqual(await redis.xautoclaim('s', 'g', 'c', 0, '0-0', 'COUNT', 10), [
        '0-0', [['2-0', ['n', '2-0']]], ['1-0'],
    ]);
    const claim = ['GROUP', 'g', 'd', 'CLAIM', 0];
    const reply = await redis.xreadgroup(...claim, 'STREAMS', 's', '>');
    deepEqual(reply[0][1].map((entry) => [entry[0], entry[3]]), [['2-0', 8], ['3-0', 0]]);
}

async function givingBack({ redis }) {
    newerThanRedis();
    await group(redis, 2);
    equal(await redis.call('XNACK', 's', 'g', 'FAIL', 'IDS', 2, '1-0', '9-0'), 1);
    deepEqual(await redis.xpending('s', 'g', '1-0', '1-0', 1), [['1-0', '', -1, 1]]);
}

async function waiting({ redis, protocol }) {
    const reader = connect(protocol);
    await redis.xgroup('CREATE', 's', 'g', '$', 'MKSTREAM');
    const read = reader.xreadgroup('GROUP', 'g', 'a', 'BLOCK', 4000, 'STREAMS', 's', '>');
    await untilBlocked(() => redis.info('clients'));
    await redis.xadd('s', '1-0', 'a', '1');
    deepEqual(await read, [['s', [['1-0', ['a', '1']]]]]);
    equal(await reader.xread('BLOCK', 100, 'STREAMS', 's', '$'), null);
    reader.disconnect();
}

async function transactions({ redis }) {
    const replies = await redis.multi()
        .xadd('s', '1-0', 'a', '1').xgroup('CREATE', 's', 'g', '0').xlen('s').exec();
    deepEqual(replies, [[null, '1-0'], [null, 'OK'], [null, 1]]);
    await redis.watch('s');
    const other = redis.duplicate();
    await other.xadd('s', '2-0', 'a', '1');
    other.disconnect();
    equal(await redis.multi().xadd('s', '3-0', 'a', '1').exec(), null);
    const piped = await redis.pipeline().xlen('s').xadd('s', '1-0', 'a', '1').xlen('s').exec();
    equal(piped[0][1], 2);
    ok(piped[1][0].message.includes('equal or smaller'));
}

async function keyspace({ redis }) {
    await redis.set('text', '41');
    equal(await redis.incr('text'), 42);
    await redis.xadd('s', '*', 'a', '1');
    deepEqual((await redis.scan('0', 'MATCH', '*', 'COUNT', 100))[1].sort(), ['s', 'text']);
    equal(await redis.pexpire('text', 100000), 1);
    ok((await redis.pttl('text')) > 0);
    equal(await redis.del('s', 'text'), 2);
}

const CHECKS = [
    readyCheck, adding, ranges, deleting, reading, readingWithABudget, groups, consuming, claiming,
    givingBack, waiting, transactions, keyspace, ...OPTIONS, ...OPERATIONS, ...POLICIES,
    ...FAILURES, ...KEEPING, ...KILLS,
];

async function main() {
    const results = [];
    for (const protocol of [2, 3]) {
        const redis = connect(protocol);
        const flush = () => redis.flushall();
        const checks = process.env.MILLSTREAM_TEST_SOCKET ? [unixSocket] : CHECKS;
        const context = { redis, protocol, connect: (options) => connect(protocol, options) };
        results.push(await runAll(`ioredis resp${protocol}`, checks, context, flush));
    }
    close(results);
}

main();
