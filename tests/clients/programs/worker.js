// The job system of worker.py, written with ioredis:
//
//     worker.js produce COUNT | work NAME | stall NAME

'use strict';

const Redis = require('ioredis');

const STREAM = 'jobs';
const GROUP = 'crew';
const RESULTS = 'jobs:results';
const DEAD = 'jobs:dead';
const IDLE_MS = 300;
const DELIVERIES_MAX = 3;
const KINDS = ['plain', 'plain', 'plain', 'flaky', 'plain', 'broken', 'plain'];

function connect() {
    const { MILLSTREAM_TEST_HOST: host, MILLSTREAM_TEST_PORT: port } = process.env;
    return new Redis({ host, port: Number(port) });
}

function toObject(fields) {
    const object = {};
    for (let i = 0; i < fields.length; i += 2) object[fields[i]] = fields[i + 1];
    return object;
}

async function produce(store, count) {
    for (let number = 0; number < count; number += 1) {
        const kind = KINDS[number % KINDS.length];
        await store.xadd(STREAM, '*', 'number', number, 'kind', kind);
    }
}

// Throws when the job fails: a flaky one succeeds at its third delivery, a broken one never.
async function handle(job, delivery) {
    if (job.kind === 'broken' || (job.kind === 'flaky' && delivery < 3)) {
        throw new Error(`job ${job.number} failed at delivery ${delivery}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
}

class Worker {
    constructor(store, name) {
        this.store = store;
        this.name = name;
        this.running = true;
    }

    async run() {
        const read = ['GROUP', GROUP, this.name, 'COUNT', 5, 'BLOCK', 100, 'STREAMS', STREAM, '>'];
        while (this.running) {
            const reply = await this.store.xreadgroup(...read);
            for (const [id, fields] of reply ? reply[0][1] : []) {
                await this.attempt(id, toObject(fields), 1);
            }
            await this.takeOver();
        }
    }

    // Retries what has been idle too long, whoever read it last.
    async takeOver() {
        const scan = [STREAM, GROUP, this.name, IDLE_MS, '0-0', 'COUNT', 5];
        const [, entries] = await this.store.xautoclaim(...scan);
        for (const [id, fields] of entries) {
            const [row] = await this.store.xpending(STREAM, GROUP, id, id, 1);
            await this.attempt(id, toObject(fields), row[3]);
        }
    }

    async attempt(id, job, delivery) {
        try {
            await handle(job, delivery);
        } catch (failure) {
            if (delivery >= DELIVERIES_MAX) {
                const letter = { ...job, id, reason: failure.message, deliveries: delivery };
                await this.finish(id, DEAD, letter);
            }
            return;
        }
        await this.finish(id, RESULTS, { ...job, worker: this.name });
    }

    async finish(id, stream, fields) {
        const words = Object.entries(fields).flat();
        const replies = await this.store.multi()
            .xadd(stream, '*', ...words).xack(STREAM, GROUP, id).exec();
        for (const [error] of replies) if (error) throw error;
    }

    async stall() {
        await this.store.xreadgroup('GROUP', GROUP, this.name, 'COUNT', 5, 'STREAMS', STREAM, '>');
        setInterval(() => {}, 60_000);
    }
}

async function main() {
    const [action, argument] = process.argv.slice(2);
    const store = connect();
    if (action === 'produce') {
        await produce(store, Number(argument));
    } else {
        const worker = new Worker(store, argument);
        process.on('SIGTERM', () => { worker.running = false; });
        if (action === 'stall') return worker.stall();
        await worker.run();
    }
    store.disconnect();
}

main().catch((error) => {
    console.error(error);
    process.exit(1);
});
