// Each option of the stream commands through the methods of ioredis, and replies in both shapes
// that it has; run by ioredis.js in RESP2 and RESP3. As broad as the tests of streams in ioredis'
// own repository, which its package does not contain.

'use strict';

const { assert, newerThanRedis, fails } = require('./checks');

const { deepEqual, equal, ok } = assert;
const ids = (entries) => entries.map((entry) => entry[0]);

// Entries 1-0 to 4-0, of which consumer `a` of group `g` has read the first two; `h` has read all
// and acknowledged 1-0.
async function twoGroups(redis) {
    for (const id of ['1-0', '2-0', '3-0', '4-0']) await redis.xadd('s', id, 'n', id);
    await redis.xgroup('CREATE', 's', 'g', '0');
    await redis.xgroup('CREATE', 's', 'h', '0');
    await redis.xreadgroup('GROUP', 'g', 'a', 'COUNT', 2, 'STREAMS', 's', '>');
    await redis.xreadgroup('GROUP', 'h', 'a', 'STREAMS', 's', '>');
    await redis.xack('s', 'h', '1-0');
}

const pending = async (redis, name) => ids(await redis.xpending('s', name, '-', '+', 10));

async function addingOnce({ redis }) {
    const add = (...words) => redis.xadd('s', ...words);
    const first = await add('IDMPAUTO', 'p', '*', 'a', '1');
    equal(await add('IDMPAUTO', 'p', '*', 'a', '1'), first);
    ok((await add('IDMPAUTO', 'p', '*', 'a', '2')) !== first);
    ok((await add('IDMPAUTO', 'q', '*', 'a', '1')) !== first);
    const kept = await add('KEEPREF', 'IDMP', 'p', 'x', 'MAXLEN', 3, '*', 'a', '1');
    equal(await add('ACKED', 'IDMP', 'p', 'x', 'MAXLEN', '~', 3, 'LIMIT', 10, '*', 'a', '9'), kept);
    equal(await redis.xlen('s'), 3);
}

async function addingTrimsAsTold({ redis }) {
    await twoGroups(redis);
    // 1-0 is pending in one group, so it is not acknowledged by all.
    await redis.xadd('s', 'MAXLEN', '=', 4, 'ACKED', '5-0', 'n', '5');
    equal(await redis.xlen('s'), 5);
    await redis.xadd('s', 'MAXLEN', '=', 5, 'DELREF', '6-0', 'n', '6');
    deepEqual(await pending(redis, 'g'), ['2-0']);
    await redis.xadd('s', 'MINID', '=', '3-0', 'KEEPREF', '7-0', 'n', '7');
    deepEqual(ids(await redis.xrange('s', '-', '+')), ['3-0', '4-0', '5-0', '6-0', '7-0']);
    deepEqual(await pending(redis, 'g'), ['2-0']);
}

async function trimming({ redis }) {
    equal(await redis.xtrim('none', 'MAXLEN', 1), 0);
    await twoGroups(redis);
    equal(await redis.xtrim('s', 'MAXLEN', '~', 1000, 'LIMIT', 10), 0);
    equal(await redis.xtrim('s', 'MINID', 2, 'DELREF'), 1);
    deepEqual(await pending(redis, 'g'), ['2-0']);
    equal(await redis.xtrim('s', 'MINID', '=', '3-0', 'ACKED'), 0);
    equal(await redis.xtrim('s', 'MINID', '~', '1-0', 'LIMIT', 10, 'KEEPREF'), 0);
    equal(await redis.xtrim('s', 'MAXLEN', 0), 3);
    deepEqual(await pending(redis, 'g'), ['2-0']);
    await fails('LIMIT', () => redis.xtrim('s', 'MAXLEN', 1, 'LIMIT', 10));
}

async function deletingWithReferences({ redis }) {
    deepEqual(await redis.xdelex('none', 'IDS', 1, '0-1'), [-1]);
    await twoGroups(redis);
    deepEqual(await redis.xdelex('s', 'ACKED', 'IDS', 2, '1-0', '4-0'), [2, 2]);
    await redis.xack('s', 'g', '1-0');
    deepEqual(await redis.xdelex('s', 'ACKED', 'IDS', 1, '1-0'), [1]);
    deepEqual(await redis.xdelex('s', 'KEEPREF', 'IDS', 1, '2-0'), [1]);
    deepEqual(await pending(redis, 'g'), ['2-0']);
    deepEqual(await redis.xdelex('s', 'DELREF', 'IDS', 2, '2-0', '3-0'), [-1, 1]);
    deepEqual(await pending(redis, 'h'), ['4-0']);
    deepEqual(await redis.xdelex('s', 'IDS', 1, '4-0'), [1]);
    await fails('numids', () => redis.xdelex('s', 'IDS', 2, '4-0'));
}

async function acknowledgingAndDeleting({ redis }) {
    deepEqual(await redis.call('XACKDEL', 'none', 'g', 'IDS', 1, '0-1'), [-1]);
    await twoGroups(redis);
    deepEqual(await redis.call('XACKDEL', 's', 'g', 'ACKED', 'IDS', 2, '1-0', '2-0'), [1, 2]);
    deepEqual(ids(await redis.xrange('s', '-', '+')), ['2-0', '3-0', '4-0']);
    deepEqual(await redis.call('XACKDEL', 's', 'h', 'DELREF', 'IDS', 1, '2-0'), [1]);
    deepEqual(await redis.call('XACKDEL', 's', 'h', 'KEEPREF', 'IDS', 2, '3-0', '9-0'), [1, -1]);
    equal(await redis.xlen('s'), 1);
}

async function claimingAsTold({ redis }) {
    await twoGroups(redis);
    const claim = (...words) => redis.xclaim('s', 'g', 'b', ...words);
    deepEqual(ids(await claim(0, '1-0', 'IDLE', 50_000)), ['1-0']);
    deepEqual(await claim(60_000, '1-0', 'JUSTID'), []);
    deepEqual(await claim(40_000, '1-0', 'TIME', Date.now() - 90_000, 'JUSTID'), ['1-0']);
    const [[, owner, idle, count]] = await redis.xpending('s', 'g', 'IDLE', 80_000, '-', '+', 9);
    deepEqual([owner, count], ['b', 2]);
    // The server counts on by its monotonic clock, in whole milliseconds of its own.
    ok(idle >= 89_900 && idle < 120_000, `idle for ${idle} ms`);
    deepEqual(await claim(0, '4-0', 'JUSTID'), []);
    deepEqual(ids(await claim(0, '4-0', 'RETRYCOUNT', 5, 'FORCE', 'LASTID', '4-0')), ['4-0']);
    deepEqual((await redis.xpending('s', 'g', '4-0', '4-0', 1)).map((row) => row[3]), [5]);
    equal(await redis.xreadgroup('GROUP', 'g', 'a', 'STREAMS', 's', '>'), null);
    deepEqual(await redis.xautoclaim('s', 'g', 'c', 0, '0-0', 'COUNT', 2, 'JUSTID'), [
        '4-0', ['1-0', '2-0'], [],
    ]);
    deepEqual((await redis.xautoclaim('s', 'g', 'c', 3_600_000, '4-0')).slice(0, 2), ['0-0', []]);
}

async function givingBackAsTold({ redis }) {
    newerThanRedis();
    await twoGroups(redis);
    const nack = (...words) => redis.xnack('s', 'g', ...words);
    const counts = async () => (await redis.xpending('s', 'g', '-', '+', 9)).map((row) => row[3]);
    equal(await nack('SILENT', 'IDS', 2, '1-0', '2-0'), 2);
    deepEqual(await counts(), [0, 0]);
    equal(await nack('FAIL', 'IDS', 1, '1-0', 'RETRYCOUNT', 7), 1);
    equal(await nack('FATAL', 'IDS', 2, '2-0', '9-0'), 1);
    const [first, second] = await counts();
    equal(first, 7);
    ok(second > 1_000_000, `a fatal failure counts as ${second} deliveries`);
    equal(await nack('FAIL', 'IDS', 1, '3-0'), 0);
    equal(await nack('FAIL', 'IDS', 1, '3-0', 'RETRYCOUNT', 2, 'FORCE'), 1);
    deepEqual((await counts())[2], 2);
}

async function positions({ redis }) {
    await redis.xadd('s', '1-0', 'a', '1');
    equal(await redis.xsetid('s', '9-0', 'ENTRIESADDED', 5, 'MAXDELETEDID', '8-0'), 'OK');
    equal(await redis.xgroup('CREATE', 's', 'g', '$', 'ENTRIESREAD', 3), 'OK');
    const [info] = await redis.xinfo('GROUPS', 's');
    deepEqual(info.slice(-4), ['entries-read', 3, 'lag', 2]);
    await fails('smaller', () => redis.xsetid('s', '7-0'));
    equal(await redis.xgroup('SETID', 's', 'g', '9-0', 'ENTRIESREAD', 5), 'OK');
    await redis.xadd('s', '10-0', 'a', '1');
    equal((await redis.xinfo('GROUPS', 's'))[0].at(-1), 1);
    equal(await redis.xgroup('DELCONSUMER', 's', 'g', 'nobody'), 0);
    await redis.xreadgroup('GROUP', 'g', 'a', 'STREAMS', 's', '>');
    equal(await redis.xgroup('DELCONSUMER', 's', 'g', 'a'), 1);
}

async function severalStreams({ redis }) {
    await redis.pipeline().xadd('s', '1-0', 'a', '1').xadd('t', '2-0', 'b', '2').exec();
    const both = [['s', [['1-0', ['a', '1']]]], ['t', [['2-0', ['b', '2']]]]];
    deepEqual(await redis.xread('STREAMS', 's', 't', '0', '0'), both);
    deepEqual(await redis.xread('STREAMS', 's', 't', '+', '2-0'), [both[0]]);
    for (const key of ['s', 't']) await redis.xgroup('CREATE', key, 'g', 0);
    const read = ['GROUP', 'g', 'a', 'COUNT', 5, 'STREAMS', 's', 't'];
    deepEqual(await redis.xreadgroup(...read, '>', '>'), both);
    deepEqual(await redis.xreadgroup(...read, 0, 5), [both[0], ['t', []]]);
}

// In RESP3 ioredis can give maps as objects.
async function repliesAsObjects({ redis, protocol, connect }) {
    if (protocol === 2) return;
    const own = connect({ replyMapping: 'resp3' });
    await twoGroups(redis);
    const only = (id) => ({ s: [[id, ['n', id]]] });
    deepEqual(await own.xread('COUNT', 1, 'STREAMS', 's', '0'), only('1-0'));
    equal(await own.xread('STREAMS', 's', '$'), null);
    const read = ['GROUP', 'g', 'b', 'COUNT', 1, 'STREAMS', 's', '>'];
    deepEqual(await own.xreadgroup(...read), only('3-0'));
    const stream = await own.xinfo('STREAM', 's', 'FULL');
    deepEqual([stream.length, stream['last-generated-id']], [4, '4-0']);
    deepEqual(stream.groups.map((group) => group.name), ['g', 'h']);
    deepEqual(stream.groups[0].consumers.map((consumer) => consumer.name), ['a', 'b']);
    const [group] = await own.xinfo('GROUPS', 's');
    deepEqual([group.name, group.pending, group.lag], ['g', 3, 1]);
    const [consumer] = await own.xinfo('CONSUMERS', 's', 'g');
    deepEqual([consumer.name, consumer.pending], ['a', 2]);
    own.disconnect();
}

async function autoPipelining({ redis, connect }) {
    const own = connect({ enableAutoPipelining: true });
    const adds = Array.from({ length: 200 }, (_, n) => own.xadd('s', `${n + 1}-0`, 'n', n));
    const replies = await Promise.all([...adds, own.xlen('s')]);
    equal(replies.at(-1), 200);
    deepEqual(replies.slice(0, 2), ['1-0', '2-0']);
    await redis.xadd('text:1', '1-0', 'a', '1');
    const found = [];
    const scan = own.scanStream({ match: 'text:*', type: 'stream', count: 100 });
    for await (const keys of scan) found.push(...keys);
    deepEqual(found, ['text:1']);
    own.disconnect();
}

module.exports = {
    OPTIONS: [
        addingOnce, addingTrimsAsTold, trimming, deletingWithReferences, acknowledgingAndDeleting,
        claimingAsTold, givingBackAsTold, positions, severalStreams, repliesAsObjects,
        autoPipelining,
    ],
};
