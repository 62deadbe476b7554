// Small strings, and what operators ask, through node-redis; run by node_redis.js in RESP2 and 3.

'use strict';

const { RESP_TYPES } = require('redis');
const { assert, fails, until } = require('./checks');

const { deepEqual, equal, ok } = assert;

async function strings({ client }) {
    equal(await client.mSet({ a: '1', b: '2' }), 'OK');
    deepEqual(await client.mGet(['a', 'none', 'b']), ['1', null, '2']);
    equal(Number(await client.mSetNX({ b: '3', c: '4' })), 0);
    equal(Number(await client.setNX('c', '4')), 1);
    equal(await client.setEx('d', 100, 'x'), 'OK');
    equal(await client.pSetEx('e', 100_000, 'x'), 'OK');
    equal(await client.getEx('d', { type: 'PERSIST' }), 'x');
    equal(await client.ttl('d'), -1);
    equal(await client.getDel('d'), 'x');
    equal(await client.getSet('a', '5'), '1');
    equal(await client.incrByFloat('f', 10.5), '10.5');
    equal(await client.append('text', 'Hello'), 5);
    equal(await client.strLen('text'), 5);
    equal(await client.get('text'), 'Hello');
}

async function acknowledgeAndCount({ client }) {
    const id = await client.xAdd('s', '*', { price: '42' });
    await client.xGroupCreate('s', 'g', '0');
    await client.xReadGroup('g', 'a', { key: 's', id: '>' });
    const replies = await client.multi()
        .xAck('s', 'g', id).incrBy('total', 42).incrByFloat('weight', 0.5).set('last', id).exec();
    deepEqual(replies, [1, 42, '0.5', 'OK']);
    deepEqual(await client.mGet(['total', 'weight', 'last']), ['42', '0.5', id]);
}

async function memoryAndObjects({ client }) {
    await client.xAdd('s', '1-0', { a: 'x'.repeat(1000) });
    ok((await client.memoryUsage('s')) > 1000);
    equal(await client.memoryUsage('none'), null);
    const stats = await client.memoryStats();
    equal(stats['keys.count'], 1);
    ok(stats['total.allocated'] > 0);
    equal(await client.objectEncoding('s'), 'stream');
    equal(await client.objectIdleTime('s'), 0);
    equal(await client.objectEncoding('none'), null);
}

async function copiesAndMoves({ client, connect }) {
    await client.xAdd('s', '1-0', { a: '1' });
    equal(await client.copy('s', 't'), 1);
    equal(await client.copy('s', 't', { DB: 1, REPLACE: true }), 1);
    equal(await client.move('s', 2), 1);
    equal(await client.swapDb(0, 1), 'OK');
    equal(await client.randomKey(), 't');
    equal(await client.touch(['t', 'none']), 1);
    const bytes = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
    const dump = await bytes.dump('t');
    equal(await client.restore('u', 0, dump), 'OK');
    equal((await client.xRange('u', '-', '+'))[0].message.a, '1');
    await fails('BUSYKEY', () => client.restore('u', 0, dump));
    const other = await connect({ database: 2 });
    equal(await other.xLen('s'), 1);
    await other.close();
}

async function latency({ client }) {
    equal(await client.latencyReset(), 0);
    deepEqual(await client.latencyLatest(), []);
    deepEqual(await client.latencyHistory('command'), []);
    await client.xAdd('s', '*', { a: '1' });
    const histogram = await client.latencyHistogram('xadd');
    ok(histogram.xadd.calls >= 1);
    ok(Object.keys(histogram.xadd.histogram_usec).length >= 1);
}

async function monitor({ client, connect }) {
    const own = await connect();
    const lines = [];
    await own.monitor((line) => lines.push(line));
    await client.set('key', 'a "b"');
    const line = await until(() => lines.find((one) => /"set"/i.test(one)));
    ok(/^\d+\.\d{6} \[0 127\.0\.0\.1:\d+\] "set" "key" "a \\"b\\""$/i.test(line), line);
    own.destroy();
}

async function pauses({ client, connect }) {
    equal(await client.clientPause(60_000, 'WRITE'), 'OK');
    const other = await connect();
    const write = other.set('a', '1');
    equal(await client.get('a'), null);
    equal(await client.clientUnpause(), 'OK');
    equal(await write, 'OK');
    await other.close();
}

async function saves({ client }) {
    ok((await client.lastSave()) > 0);
    equal(await client.sendCommand(['SAVE']), 'OK');
    ok(Math.abs(Date.now() / 1000 - (await client.lastSave())) < 60);
    await fails('without a config file', () => client.configRewrite());
    equal(await client.aclWhoAmI(), 'default');
    ok((await client.sendCommand(['LOLWUT'])).includes('ver.'));
}

// Runs on the server that has one; see node_redis.js.
async function unixSocket({ client, connect }) {
    const path = process.env.MILLSTREAM_TEST_SOCKET;
    const own = await connect({ socket: { path, reconnectStrategy: false } });
    equal(await own.xAdd('s', '1-0', { a: '1' }), '1-0');
    equal(await client.xLen('s'), 1);
    ok((await own.sendCommand(['CLIENT', 'INFO'])).includes(path));
    await own.close();
}

module.exports = {
    OPERATIONS: [
        strings, acknowledgeAndCount, memoryAndObjects, copiesAndMoves, latency, monitor, pauses,
        saves,
    ],
    unixSocket,
};
