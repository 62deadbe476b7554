// ioredis against a server that wants certificates: main.py starts it, and makes the files.

'use strict';

const fs = require('node:fs');
const path = require('node:path');
const Redis = require('ioredis');
const { assert, runAll, close } = require('../node/checks');

const { deepEqual, equal, match } = assert;
const file = (name) => fs.readFileSync(path.join(process.env.MILLSTREAM_TEST_SCRATCH, name));
const own = () => ({ cert: file('worker.crt'), key: file('worker.key') });

function connect(tls) {
    const port = Number(process.env.MILLSTREAM_TEST_TLS_PORT);
    const options = { host: '127.0.0.1', port, lazyConnect: true, maxRetriesPerRequest: 0 };
    const redis = new Redis({ ...options, retryStrategy: () => null, tls });
    redis.on('error', (error) => { redis.lastError = error; });
    return redis;
}

async function worksWithACertificate() {
    const redis = connect({ ca: file('ca.crt'), ...own() });
    await redis.connect();
    equal(await redis.xadd('s', '1-0', 'n', '1'), '1-0');
    equal(await redis.xgroup('CREATE', 's', 'g', '0'), 'OK');
    const read = await redis.xreadgroup('GROUP', 'g', 'c', 'STREAMS', 's', '>');
    deepEqual(read, [['s', [['1-0', ['n', '1']]]]]);
    const other = redis.duplicate();
    const waiting = other.xread('BLOCK', 0, 'STREAMS', 't', '0');
    await redis.xadd('t', '1-0', 'n', '1');
    equal((await waiting)[0][0], 't');
    const large = 'x'.repeat(3 << 20);
    await redis.set('large', large);
    equal(await redis.get('large'), large);
    await Promise.all([redis.quit(), other.quit()]);
}

async function refused(tls, why) {
    const redis = connect(tls);
    await assert.rejects(async () => {
        await redis.connect();
        await redis.ping();
    });
    match(`${redis.lastError?.code} ${redis.lastError?.message}`, why);
    redis.disconnect();
}

async function isRefusedWithoutOne() {
    await refused({ ca: file('ca.crt') }, /certificate required|ECONNRESET|undefined/);
}

async function believesItsOwnAuthorityOnly() {
    await refused({ ca: file('other-ca.crt'), ...own() }, /unable to verify|self-signed/i);
}

async function looksAtTheNameInTheCertificate() {
    const tls = { ca: file('ca.crt'), servername: 'elsewhere.example', ...own() };
    await refused(tls, /ERR_TLS_CERT_ALTNAME_INVALID/);
}

const CHECKS = [
    worksWithACertificate, isRefusedWithoutOne, believesItsOwnAuthorityOnly,
    looksAtTheNameInTheCertificate,
];

runAll('ioredis', CHECKS, {}, async () => {}).then((result) => close([result]));
