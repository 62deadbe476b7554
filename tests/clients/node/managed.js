// Managed groups in few words: what the checks of policies share. Stream `s`, group `g`, unless
// said otherwise. ioredis has no methods for what is beyond Redis; its users write `call`, too.

'use strict';

const { assert, newerThanRedis, until } = require('./checks');

// A reply that is a map in RESP3 and flat in RESP2, as an object.
function toObject(reply) {
    if (reply instanceof Map) return Object.fromEntries(reply);
    if (!Array.isArray(reply)) return reply;
    return Object.fromEntries(reply.flatMap((_, i) => (i % 2 ? [] : [[reply[i], reply[i + 1]]])));
}

const ids = (entries) => entries.map((entry) => entry[0]);
const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function create(redis, ...items) {
    newerThanRedis();
    return redis.xgroup('CREATE', 's', 'g', '0', 'MKSTREAM', 'CFG', ...items);
}

async function configure(redis, ...items) {
    return redis.call('XGROUP', 'CFGSET', 's', 'g', ...items);
}

async function policy(redis, key = 's', group = 'g') {
    return toObject(await redis.call('XGROUP', 'CFGGET', key, group));
}

// XINFO GROUPS' row of the group.
async function info(redis, key = 's', group = 'g') {
    const rows = (await redis.xinfo('GROUPS', key)).map(toObject);
    return rows.find((row) => row.name === group);
}

async function consumers(redis, key = 's') {
    return (await redis.xinfo('CONSUMERS', key, 'g')).map((row) => toObject(row).name);
}

// Adds entries numbered from 0; their ids.
async function fill(redis, count, key = 's') {
    const added = [];
    for (let n = 0; n < count; n += 1) added.push(await redis.xadd(key, '*', 'n', n));
    return added;
}

// What `>` gives to the consumer: ids.
async function read(redis, consumer = 'a', ...options) {
    const words = ['GROUP', 'g', consumer, ...options, 'STREAMS', 's', '>'];
    const reply = await redis.xreadgroup(...words);
    return reply ? ids(Array.isArray(reply) ? reply[0][1] : Object.values(reply)[0]) : [];
}

// A read that blocks on a connection of its own: a promise of the ids.
function waitingRead(connect, consumer = 'b', limitMs = 4000) {
    const own = connect();
    return read(own, consumer, 'BLOCK', limitMs).finally(() => own.disconnect());
}

async function nack(redis, mode, list, ...options) {
    return redis.call('XNACK', 's', 'g', mode, 'IDS', list.length, ...list, ...options);
}

// Each record as [id, consumer, deliveries].
async function pending(redis) {
    const rows = await redis.xpending('s', 'g', '-', '+', 1000);
    return rows.map((row) => [row[0], row[1], row[3]]);
}

async function letters(redis, key = 's:dlq') {
    return (await redis.xrange(key, '-', '+')).map(([, fields]) => toObject(fields));
}

// Awaits that the call gives this.
async function becomes(call, expected) {
    let found;
    const isSo = async () => {
        found = await call();
        return JSON.stringify(found) === JSON.stringify(expected);
    };
    await until(isSo).catch(() => assert.deepEqual(found, expected));
}

module.exports = {
    toObject, ids, sleep, create, configure, policy, info, consumers, fill, read, waitingRead, nack,
    pending, letters, becomes,
};
