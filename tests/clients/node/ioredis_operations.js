// Small strings, and what operators ask, through ioredis; run by ioredis.js in RESP2 and RESP3.

'use strict';

const { assert, server, fails, until } = require('./checks');

const { deepEqual, equal, ok } = assert;
const isRecent = (seconds) => Math.abs(Date.now() / 1000 - seconds) < 60;
// A reply that is a map in RESP3 and flat in RESP2, as an object.
const toObject = (reply) => (Array.isArray(reply)
    ? Object.fromEntries(reply.flatMap((_, i) => (i % 2 ? [] : [[reply[i], reply[i + 1]]])))
    : reply instanceof Map ? Object.fromEntries(reply) : reply);

async function strings({ redis }) {
    equal(await redis.mset('a', 1, 'b', 2), 'OK');
    deepEqual(await redis.mget('a', 'none', 'b'), ['1', null, '2']);
    equal(await redis.msetnx('b', 3, 'c', 4), 0);
    equal(await redis.setnx('c', 4), 1);
    equal(await redis.setex('d', 100, 'x'), 'OK');
    equal(await redis.psetex('e', 100_000, 'x'), 'OK');
    equal(await redis.getex('d', 'PERSIST'), 'x');
    equal(await redis.ttl('d'), -1);
    equal(await redis.getdel('d'), 'x');
    equal(await redis.getset('a', 5), '1');
    equal(await redis.incrbyfloat('f', 10.5), '10.5');
    equal(await redis.append('text', 'Hello'), 5);
    equal(await redis.strlen('text'), 5);
    equal((await redis.getBuffer('text')).toString(), 'Hello');
}

async function acknowledgeAndCount({ redis }) {
    const id = await redis.xadd('s', '*', 'price', 42);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await redis.xreadgroup('GROUP', 'g', 'a', 'STREAMS', 's', '>');
    const replies = await redis.multi()
        .xack('s', 'g', id).incrby('total', 42).incrbyfloat('weight', 0.5).set('last', id).exec();
    deepEqual(replies, [[null, 1], [null, 42], [null, '0.5'], [null, 'OK']]);
    deepEqual(await redis.mget('total', 'weight', 'last'), ['42', '0.5', id]);
}

async function memoryAndObjects({ redis }) {
    await redis.xadd('s', '1-0', 'a', 'x'.repeat(1000));
    ok((await redis.memory('USAGE', 's')) > 1000);
    equal(await redis.memory('USAGE', 'none'), null);
    const stats = toObject(await redis.memory('STATS'));
    equal(stats['keys.count'], 1);
    equal(await redis.object('ENCODING', 's'), 'stream');
    equal(await redis.object('IDLETIME', 's'), 0);
    equal(await redis.object('ENCODING', 'none'), null);
}

async function copiesAndMoves({ redis, connect }) {
    await redis.xadd('s', '1-0', 'a', '1');
    equal(await redis.copy('s', 't'), 1);
    equal(await redis.copy('s', 't', 'DB', 1, 'REPLACE'), 1);
    equal(await redis.move('s', 2), 1);
    equal(await redis.swapdb(0, 1), 'OK');
    equal(await redis.randomkey(), 't');
    equal(await redis.touch('t', 'none'), 1);
    const dump = await redis.dumpBuffer('t');
    equal(await redis.restore('u', 0, dump), 'OK');
    deepEqual(await redis.xrange('u', '-', '+'), [['1-0', ['a', '1']]]);
    await fails('BUSYKEY', () => redis.restore('u', 0, dump));
    const other = connect({ db: 2 });
    equal(await other.xlen('s'), 1);
    other.disconnect();
}

async function slowLogAndLatency({ redis }) {
    const config = toObject(await redis.config('GET', 'slowlog-log-slower-than'));
    const before = config['slowlog-log-slower-than'];
    await redis.config('SET', 'slowlog-log-slower-than', 0);
    await redis.slowlog('RESET');
    await redis.xadd('s', '1-0', 'a', '1');
    const rows = await redis.slowlog('GET', 10);
    await redis.config('SET', 'slowlog-log-slower-than', before);
    const row = rows.find((one) => one[3][0].toUpperCase() === 'XADD');
    deepEqual(row[3].slice(1), ['s', '1-0', 'a', '1']);
    equal(row.length, 6);
    ok(isRecent(row[1]) && row[2] >= 0);
    ok((await redis.slowlog('LEN')) > 0);
    deepEqual(await redis.latency('LATEST'), []);
    equal(await redis.latency('RESET'), 0);
}

async function monitor({ redis, connect }) {
    const own = connect();
    const watching = await own.monitor();
    const seen = [];
    watching.on('monitor', (time, words, source, database) => {
        seen.push({ time, words, source, database });
    });
    await redis.set('key', 'a "b"');
    const row = await until(() => seen.find(({ words }) => words[0].toUpperCase() === 'SET'));
    deepEqual(row.words.slice(1), ['key', 'a "b"']);
    equal(row.database, '0');
    ok(isRecent(Number(row.time)) && row.source.startsWith(`${server.host}:`), row.source);
    watching.disconnect();
    own.disconnect();
}

async function pausesAndReplies({ redis, connect }) {
    equal(await redis.client('PAUSE', 60_000, 'WRITE'), 'OK');
    const other = connect();
    const write = other.set('a', '1');
    equal(await redis.get('a'), null);
    equal(await redis.client('UNPAUSE'), 'OK');
    equal(await write, 'OK');
    other.disconnect();
    equal(await redis.client('REPLY', 'ON'), 'OK');
}

async function saves({ redis }) {
    ok(isRecent(await redis.lastsave()) || (await redis.lastsave()) > 0);
    equal(await redis.save(), 'OK');
    ok(isRecent(await redis.lastsave()));
    await fails('without a config file', () => redis.config('REWRITE'));
    equal(await redis.acl('WHOAMI'), 'default');
}

// Runs on the server that has one; see ioredis.js.
async function unixSocket({ redis, connect }) {
    const own = connect({ path: process.env.MILLSTREAM_TEST_SOCKET });
    equal(await own.xadd('s', '1-0', 'a', '1'), '1-0');
    equal(await redis.xlen('s'), 1);
    ok((await own.client('INFO')).includes(process.env.MILLSTREAM_TEST_SOCKET));
    own.disconnect();
}

module.exports = {
    OPERATIONS: [
        strings, acknowledgeAndCount, memoryAndObjects, copiesAndMoves, slowLogAndLatency, monitor,
        pausesAndReplies, saves,
    ],
    unixSocket,
};
